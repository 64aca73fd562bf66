// Package work runs orders: it is the engine between "something is due" and fulfill's Advance.
//
// The order row is the only clock and the only truth: due_at says when, the lease says who, the
// revision says whether. A hint ("look at order x now") is therefore worth nothing by itself: it may be
// lost, doubled or late, and the due sweep finds what a lost one left behind. Hints are given after
// the commit and never within the transaction of a command.
//
// River is the engine: its leader runs the periodic jobs (the due sweep, the refresh of projections,
// pruning) on whichever replica is free, its workers share out what one replica cannot take at once, and
// its retries repeat a run that ended in an error. Two things are arranged beside it:
//
//   - The short way. A hint goes to a bounded queue in this process and is run at once; only when that
//     queue is full does it become a River job, which any replica takes. A job costs three writes (insert,
//     fetch, complete) and some 15 ms before it runs; the short way costs none. A crash loses the queue,
//     and nothing else: the rows are still due.
//   - No notifications on SQLite. River's SQLite driver imitates LISTEN by a table that it polls twenty
//     times a second. There is only one process on a SQLite file, so that is switched off (see quiet) and
//     the producers are woken in memory.
//
// Take-over. An order of a killed process comes up when its lease ends: the sweep finds it due. A node
// that starts again lets go of the leases of its own name first, so its orders go on at once. A job is
// unique per order within half a minute only, so that the job of a dead process, which River rescues later
// than the lease ends, does not stand in the way.
//
// The leader's sweep may fail to come: River needs up to 15 seconds to replace a killed leader. A node
// that has seen no sweep for three intervals looks for itself.
package work
