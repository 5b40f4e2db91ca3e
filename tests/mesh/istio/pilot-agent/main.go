// Istio's agent for the tests: the real one, built from its Go module.
package main

import (
	"os"

	"istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/cmd/pilot-agent/app"
	istioagent "istio.io/istio/pkg/istio-agent"
	"istio.io/istio/pkg/security"
	"istio.io/istio/security/pkg/nodeagent/sds"
)

func main() {
	secrets := func(options *security.Options, cache security.SecretManager, provider *v1alpha1.PrivateKeyProvider) istioagent.SDSService {
		return sds.NewServer(options, cache, provider)
	}
	if app.NewRootCommand(secrets).Execute() != nil {
		os.Exit(1)
	}
}
