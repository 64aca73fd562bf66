// Package notify tells people and machines that an order is not well, or well again: by signed webhook
// (Standard Webhooks), as JSON, to Slack, to Teams, by mail. It makes the messages and sends each once; when to
// send again is River's (package work), and whether something is worth telling is the order's (order.Health).
// A notification that fails changes nothing but the note of it (Book).
package notify

// Kinds of channel.
const (
	Webhook = "webhook" // JSON, signed as the Standard Webhooks specification says
	JSON    = "json"    // the same JSON, not signed
	Slack   = "slack"   // an incoming webhook of Slack, or of what understands it (Mattermost, Rocket.Chat, Discord with /slack)
	Teams   = "teams"   // a workflow of Microsoft Teams that posts an adaptive card
	SMTP    = "smtp"    // mail
)

// Kinds are all of them.
var Kinds = []string{Webhook, JSON, Slack, Teams, SMTP}

// Severities that a channel may begin at.
const (
	Warning  = "warning"
	Critical = "critical"
)

// How mail is protected on its way.
const (
	StartTLS = "starttls" // RFC 3207; a server that does not offer it is refused
	Implicit = "implicit" // TLS from the first byte (RFC 8314 section 3.3)
	Plain    = "none"
)
