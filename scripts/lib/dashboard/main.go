// Reads a dashboard by the schema of Grafana's own library: an unknown field, a missing one, a value of another kind and a broken
// rule are errors. Run by check-manifests.sh: `check-dashboard FILE`.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: check-dashboard FILE")
		os.Exit(64)
	}
	if err := check(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "%s does not follow the schema of Grafana:\n%s\n", os.Args[1], err)
		os.Exit(1)
	}
}

func check(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	plugins.RegisterDefaultPlugins()
	var read dashboard.Dashboard
	err = read.UnmarshalJSONStrict(text)
	// The library returns an empty list, which is not nil, when it finds nothing.
	var found cog.BuildErrors
	if err != nil && !(errors.As(err, &found) && len(found) == 0) {
		return err
	}
	return read.Validate()
}
