// Preloaded by the test of the documentation: every name is looked up as ADDRESS, because *.localhost is not known everywhere.
const dns = require("node:dns");
const address = process.env.ADDRESS.split(":")[0];
dns.lookup = (_name, options, done) => ((done ??= options), options.all ? done(null, [{ address, family: 4 }]) : done(null, address, 4));
