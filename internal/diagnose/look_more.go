package diagnose

import (
	"certwright/internal/evidence"
)

// Checks of observations that belong to handshakes.
const (
	checkTried      = "tried"
	checkRevocation = "revocation"
	checkPage       = "page"
)

// tried, revocation and page are looks that a handshake gave reason for, each with its quotation.
type (
	tried struct {
		evidence.Tried
		ref EvidenceRef
	}
	revocation struct {
		evidence.Revocation
		ref EvidenceRef
	}
	page struct {
		evidence.Page
		ref EvidenceRef
	}
)

// addOther reads an observation of TLS that is no handshake.
func (s *survey) addOther(o evidence.Observation) bool {
	switch o.Check {
	case CheckIssuers:
		s.addIssuers(o)
	case checkTried:
		if v, ok := evidence.Decode[evidence.Tried](o); ok {
			s.tried = append(s.tried, tried{v, refOf(o)})
		}
	case checkRevocation:
		if v, ok := evidence.Decode[evidence.Revocation](o); ok {
			s.revocations = append(s.revocations, revocation{v, refOf(o)})
		}
	case evidence.AskAgain:
		if v, ok := evidence.Decode[evidence.Again](o); ok {
			s.again = append(s.again, again{v, refOf(o)})
		}
	case checkPage:
		if v, ok := evidence.Decode[evidence.Page](o); ok {
			s.pages = append(s.pages, page{v, refOf(o)})
		}
	default:
		return false
	}
	return true
}
