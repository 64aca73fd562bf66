package store

// Reads are the statements behind the API's busiest reads, for whoever measures what is spent beside them.
type Reads struct {
	Order  string // $1: the order's key
	List   string // the first 100 of a status, $1, and one more
	Secret string // $1: the vault, $2: the secret, both in lower case
}

// BareReads gives them.
func BareReads() Reads {
	return Reads{Order: loadText, List: listText + ` WHERE status = $1 ORDER BY key LIMIT 101`, Secret: sealedText + latestOf}
}
