package server

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// EnvPrefix starts the environment variables that override keys of the configuration.
const EnvPrefix = "CERTWRIGHT_"

// environment overrides keys by variables: CERTWRIGHT_KEK_PASSPHRASE_FILE is kek.passphrase-file. Lists and
// tables are written as YAML. A variable that nearly is one of ours is refused; one that belongs to
// something else (the command line, tests) is left alone.
func (l *loader) environment(env []string, c *Config) {
	paths := map[string]string{}
	var names []string
	for _, p := range leaves(reflect.TypeFor[Config](), "") {
		name := envName(p)
		paths[name] = p
		names = append(names, name)
	}
	// By name, so that mistakes are told in a steady order; of one name the last counts, as in a process's environment.
	env = slices.Clone(env)
	slices.SortStableFunc(env, func(a, b string) int {
		x, _, _ := strings.Cut(a, "=")
		y, _, _ := strings.Cut(b, "=")
		return strings.Compare(x, y)
	})
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, EnvPrefix) {
			continue
		}
		if p, ok := paths[name]; ok {
			l.override(name, value, p, c)
		} else if near := l.misspelt(name, names); near != "" {
			l.fail("unknown environment variable %s: did you mean %s?", name, near)
		}
	}
}

func envName(path string) string {
	return EnvPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(path))
}

// misspelt is the variable that a name was meant to be: one that differs in a letter or two, or any of a section
// of ours.
func (l *loader) misspelt(name string, names []string) string {
	best, at := "", 3
	for _, n := range names {
		if d := distance(name, n); d < at {
			best, at = n, d
		}
	}
	return best
}

// override reads one variable.
func (l *loader) override(name, value, path string, c *Config) {
	v := reflect.ValueOf(c).Elem()
	for _, key := range strings.Split(path, ".") {
		i := slices.Index(keysOf(v.Type()), key)
		v = v.Field(i)
	}
	l.from = "environment variable " + name
	defer func() { l.from = "" }()
	node := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
	if v.Kind() == reflect.Map || v.Kind() == reflect.Slice {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(value), &doc); err != nil || len(doc.Content) == 0 {
			l.misread(path, "'%s' at %s must be YAML, %s", path, l.from, form(v))
			return
		}
		node = doc.Content[0]
	}
	if v.Kind() == reflect.String {
		node.Tag = "!!str" // an empty variable is an empty text
	}
	l.value(node, v, path)
}

// lookup finds a variable in env, the last of that name as in a process's environment.
func lookup(env []string, name string) string {
	for _, kv := range slices.Backward(env) {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}
