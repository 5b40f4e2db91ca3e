// istioctl for the tests: the real one, built from its Go module.
package main

import (
	"fmt"
	"os"

	"istio.io/istio/istioctl/cmd"
)

func main() {
	if err := cmd.GetRootCmd(os.Args[1:]).Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(cmd.GetExitCode(err))
	}
}
