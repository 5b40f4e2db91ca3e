// The oracle: kube-apiserver's own reading of requests.
//
// Reads lines `METHOD TARGET` (the bytes of an HTTP request line) and answers each
// with a line of tab-separated fields, in this order:
//
//	resource|path  verb  group  version  namespace  resource  subresource  name  path
//
// or with `error` and a sentence. The factory is the apiserver's, with the
// apiserver's prefixes (NewRequestInfoResolver in k8s.io/apiserver/pkg/server).
package main

import (
	"bufio"
	"net/http"
	"net/url"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
)

var factory = &request.RequestInfoFactory{
	APIPrefixes:          sets.NewString("api", "apis"),
	GrouplessAPIPrefixes: sets.NewString("api"),
}

func read(line string) string {
	method, target, _ := strings.Cut(line, " ")
	// As net/http reads a request line (ReadRequest in net/http/request.go).
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return "error\t" + err.Error()
	}
	info, err := factory.NewRequestInfo(&http.Request{Method: method, URL: u})
	if err != nil {
		return "error\t" + err.Error()
	}
	kind := "path"
	if info.IsResourceRequest {
		kind = "resource"
	}
	return strings.Join([]string{
		kind, info.Verb, info.APIGroup, info.APIVersion, info.Namespace,
		info.Resource, info.Subresource, info.Name, info.Path,
	}, "\t")
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<16), 1<<20)
	out := bufio.NewWriter(os.Stdout)
	for in.Scan() {
		if in.Text() == "" { // the end of a batch
			out.Flush()
			continue
		}
		out.WriteString(read(in.Text()))
		out.WriteByte('\n')
	}
	out.Flush()
}
