package scenario

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
)

// Words of which names are made, and what addresses begin with: all of them are ones that are given out on
// the real internet, so that nothing of the base looks like a private or reserved address.
var (
	hostLabels = []string{"www", "shop", "app", "api", "portal", "secure", "my", "login", "store", "mail"}
	zoneFirst  = []string{"harbour", "lantern", "copper", "willow", "north", "granite", "amber", "cedar", "falcon", "orchid", "summit", "velvet"}
	zoneSecond = []string{"works", "bakery", "freight", "books", "clinic", "garden", "media", "studio", "tools", "travel", "music", "optics"}
	tlds       = []string{"com", "net", "org", "info", "eu", "de", "nl", "fr", "io"}
	firstOctet = []int{5, 31, 37, 46, 62, 77, 78, 80, 81, 82, 84, 85, 87, 89, 91, 93, 94, 109, 176, 178, 188, 193, 194, 212, 213, 217}
	folders    = []string{"/etc/nginx/tls", "/srv/tls", "/etc/pki/web", "/opt/web/certs", "/var/lib/web/tls"}
	webFolders = []string{"/var/www/html", "/srv/www", "/srv/http/public", "/opt/web/htdocs"}
	ports      = []int{443, 443, 8443, 9443, 4443}
)

// dice throws the same for the same seed and scenario, whatever else runs.
func dice(seed uint64, id string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // a hash's Write never fails
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// varsOf are the names, addresses, ports and paths of one run.
func varsOf(s *Spec, seed uint64) map[string]string {
	if s.Seedless {
		seed = 0
	}
	r := dice(seed, s.ID)
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	v := map[string]string{}
	v["TLD"] = pick(tlds)
	v["ZONE"] = pick(zoneFirst) + "-" + pick(zoneSecond) + "." + v["TLD"]
	v["HOSTLABEL"] = pick(hostLabels)
	v["NAME"] = v["HOSTLABEL"] + "." + v["ZONE"]
	v["CAZONE"] = "pki-" + pick(zoneFirst) + strconv.Itoa(10+r.IntN(90)) + "." + v["TLD"]
	used := map[string]bool{}
	address := func(key string) {
		for {
			a4 := fmt.Sprintf("%d.%d.%d.%d", firstOctet[r.IntN(len(firstOctet))], 1+r.IntN(250), r.IntN(250), 2+r.IntN(250))
			if !used[a4] {
				used[a4] = true
				v[key+"4"] = a4
				break
			}
		}
		v[key+"6"] = fmt.Sprintf("2a%02x:%x:%x::%x", []int{0x00, 0x01, 0x02, 0x03, 0x06, 0x0b}[r.IntN(6)], 0x100+r.IntN(0xef00), 1+r.IntN(0xfffe), 2+r.IntN(0xfff0))
	}
	for _, k := range []string{"ADDR", "ALT", "ROOT", "TLDNS", "NS1_", "NS2_", "PKI", "OTHER"} {
		address(k)
	}
	v["RESOLVER"] = fmt.Sprintf("127.0.%d.%d", r.IntN(250), 2+r.IntN(250))
	port := ports[r.IntN(len(ports))]
	if p, err := strconv.Atoi(s.Options["port"]); err == nil {
		port = p
	} else if s.Goal.Method != "" || seed <= 1 {
		port = 443
	}
	v["PORT"] = strconv.Itoa(port)
	v["TARGET"] = v["NAME"]
	if port != 443 {
		v["TARGET"] += ":" + v["PORT"]
	}
	dir := pick(folders)
	v["TLSDIR"] = dir
	v["CERT"], v["KEY"] = dir+"/"+v["ZONE"]+".pem", dir+"/"+v["ZONE"]+".key"
	v["WWW"] = pick(webFolders)
	v["SERIAL"] = fmt.Sprintf("%016X", r.Uint64()>>1|1<<60)
	v["SEED"] = strconv.FormatUint(seed, 10)
	v["RANDOM_WORD"] = pick(zoneFirst) + strconv.Itoa(r.IntN(1000))
	v["NSEC3"] = strconv.Itoa(r.IntN(2))
	return v
}
