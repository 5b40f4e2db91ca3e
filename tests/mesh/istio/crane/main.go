// A registry of images, and the client that fills it: the real crane, built from its Go module.
package main

import (
	"os"

	"github.com/google/go-containerregistry/cmd/crane/cmd"
)

func main() {
	if cmd.New("crane", "crane", nil).Execute() != nil {
		os.Exit(1)
	}
}
