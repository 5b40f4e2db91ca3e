// The Prometheus that the tests scrape with. Its own go.mod and go.sum, within the
// module, pin everything else.
module keyhole/tests/prometheus

go 1.26

require github.com/prometheus/prometheus v0.309.1
