//! The gateway as `kubectl apply -k k8s/base` deploys it: pods that really run, on the
//! node of `scripts/cluster`, called through their Service. `scripts/test` runs this
//! last; by hand:
//!
//! ```text
//! scripts/cluster up
//! scripts/cluster exec cargo test -p keyhole-tests --test node -- --ignored --nocapture --test-threads 1 --skip ingress::
//! ```

mod disruptions;
mod envoy_gateway;
mod footprint;
mod gateway;
mod ingress;
mod pods;
mod report;
mod rights;
mod story;
