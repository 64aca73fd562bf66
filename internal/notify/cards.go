package notify

import "strings"

// slackText keeps what others wrote from being read as Slack's own markup (its "Escaping text").
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slackBody is a message for an incoming webhook of Slack: text for notifications, blocks for the eye.
func slackBody(m *Message) map[string]any {
	type text map[string]any
	section := func(s string) text {
		return text{"type": "section", "text": text{"type": "mrkdwn", "text": clip(s, 2900)}}
	}
	blocks := []any{section("*" + slackText.Replace(strings.TrimPrefix(m.Subject(), "[Certwright] ")) + "*")}
	var b strings.Builder
	if m.Cause != "" {
		b.WriteString(slackText.Replace(oneLine(m.Cause)) + "\n")
	}
	for _, f := range m.facts() {
		b.WriteString("*" + f[0] + ":* " + slackText.Replace(f[1]) + "\n")
	}
	if b.Len() > 0 {
		blocks = append(blocks, section(b.String()))
	}
	if m.Page != "" {
		blocks = append(blocks, section("<"+m.Page+"|Look closer>"))
	}
	return map[string]any{"text": slackText.Replace(m.Subject()), "blocks": blocks}
}

// teamsBody is a message for a workflow of Teams, "Post to a channel when a webhook request is received": an adaptive
// card of schema 1.4.
func teamsBody(m *Message) map[string]any {
	colour := map[string]string{TypeWell: "Good", TypeTest: "Accent"}[m.Type]
	if colour == "" {
		if colour = "Warning"; m.Severity == Critical {
			colour = "Attention"
		}
	}
	type block map[string]any
	content := []any{block{"type": "TextBlock", "size": "Medium", "weight": "Bolder", "wrap": true, "color": colour, "text": teamsText.Replace(strings.TrimPrefix(m.Subject(), "[Certwright] "))}}
	if m.Cause != "" {
		content = append(content, block{"type": "TextBlock", "wrap": true, "text": teamsText.Replace(oneLine(m.Cause))})
	}
	var facts []any
	for _, f := range m.facts() {
		facts = append(facts, block{"title": f[0], "value": teamsText.Replace(f[1])})
	}
	if len(facts) > 0 {
		content = append(content, block{"type": "FactSet", "facts": facts})
	}
	card := block{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": content}
	if m.Page != "" {
		card["actions"] = []any{block{"type": "Action.OpenUrl", "title": "Look closer", "url": m.Page}}
	}
	return map[string]any{"type": "message", "attachments": []any{block{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}}}
}

// teamsText keeps brackets and stars of what others wrote from being read as a link or emphasis.
var teamsText = strings.NewReplacer("[", `\[`, "]", `\]`, "*", `\*`, "_", `\_`)
