//! The only module that names host calls. Bytes in, `Result` out.
//!
//! The SDK panics on a status that it does not expect, which traps the VM;
//! Envoy then answers 503 and reloads it (`failure_policy: FAIL_RELOAD`). The
//! calls here are those that do not do so on input from the network.

mod map;

use std::time::{Duration, UNIX_EPOCH};

use coarsetime::Instant;
use keyhole_core::{
    Answer, Call, Forward, GATEWAY_CLUSTER, HeaderList, MAX_ANSWER_BYTES, Now, Purpose, Reply,
    Steady, UnixTime, Upstream,
};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, MetricType, Status};

/// The Envoy cluster for requests that are sent once more.
const CLIENTS_CLUSTER: &str = "kube-apiserver-again";

/// The plugin configuration, if there is one and it is text.
pub(crate) fn configuration() -> Option<String> {
    let bytes =
        hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX).ok()??;
    String::from_utf8(bytes).ok()
}

/// Whoever has the same id shares data; without one, that is everybody.
pub(crate) fn has_vm_id() -> bool {
    let id = hostcalls::get_property(vec!["plugin_vm_id"]);
    id.is_ok_and(|id| id.is_some_and(|id| !id.is_empty()))
}

/// `address:port` of the client, behind the hops that Envoy trusts.
pub(crate) fn source() -> Option<Vec<u8>> {
    hostcalls::get_property(vec!["source", "address"]).ok()?
}

/// Leaves for the access log who calls, as the filter state `wasm.keyhole_caller`.
pub(crate) fn set_caller(record: &str) -> Result<(), Status> {
    hostcalls::set_property(vec!["keyhole_caller"], Some(record.as_bytes()))
}

/// The same, what was decided, as `wasm.keyhole_decision`.
pub(crate) fn set_decision(record: &str) -> Result<(), Status> {
    hostcalls::set_property(vec!["keyhole_decision"], Some(record.as_bytes()))
}

/// The same, as `wasm.keyhole_claims`.
pub(crate) fn set_claims(claims: &str) -> Result<(), Status> {
    hostcalls::set_property(vec!["keyhole_claims"], Some(claims.as_bytes()))
}

pub(crate) fn now() -> Now {
    let time = hostcalls::get_current_time().unwrap_or(UNIX_EPOCH);
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall = since_epoch.as_millis().try_into().unwrap_or(u64::MAX);
    let steady = Instant::now().duration_since(Instant::from_ticks(0)).as_millis();
    Now {
        wall: UnixTime::from_millis(wall),
        steady: Steady::from_millis(steady),
        jitter: fastrand::u64(..),
    }
}

pub(crate) fn request_headers() -> Result<HeaderList, Status> {
    map::get(MapType::HttpRequestHeaders)
}

pub(crate) fn replace_request_headers(forward: &Forward<'_>) -> Result<(), Status> {
    map::set(MapType::HttpRequestHeaders, &forward.headers())
}

/// The part of the body that is on its way now.
pub(crate) fn request_body(size: usize) -> Option<Vec<u8>> {
    hostcalls::get_buffer(BufferType::HttpRequestBody, 0, size).ok()?
}

/// All of a body that has been held.
pub(crate) fn whole_request_body() -> Result<Vec<u8>, Status> {
    let body = hostcalls::get_buffer(BufferType::HttpRequestBody, 0, usize::MAX)?;
    Ok(body.unwrap_or_default())
}

/// In place of a body that has been held.
pub(crate) fn replace_request_body(body: &[u8]) -> Result<(), Status> {
    hostcalls::set_buffer(BufferType::HttpRequestBody, 0, usize::MAX, body)
}

/// Leaves no trailers to forward.
pub(crate) fn drop_request_trailers() -> Result<(), Status> {
    map::set(MapType::HttpRequestTrailers, &HeaderList::of::<&str, &str>(&[]))
}

pub(crate) fn response_headers() -> Result<HeaderList, Status> {
    map::get(MapType::HttpResponseHeaders)
}

pub(crate) fn replace_response_headers(headers: &HeaderList) -> Result<(), Status> {
    map::set(MapType::HttpResponseHeaders, headers)
}

/// Where a response comes from: `via_upstream`, or why Envoy made it.
pub(crate) fn response_details() -> Vec<u8> {
    let details = hostcalls::get_property(vec!["response", "code_details"]);
    details.ok().flatten().unwrap_or_default()
}

/// The part of the body that is on its way now.
pub(crate) fn response_body(size: usize) -> Result<Vec<u8>, Status> {
    Ok(hostcalls::get_buffer(BufferType::HttpResponseBody, 0, size)?.unwrap_or_default())
}

pub(crate) fn replace_response_body(size: usize, body: &[u8]) -> Result<(), Status> {
    hostcalls::set_buffer(BufferType::HttpResponseBody, 0, size, body)
}

pub(crate) fn resume_request() -> Result<(), Status> {
    hostcalls::resume_http_request()
}

pub(crate) fn send_reply(reply: &Reply) -> Result<(), Status> {
    let headers = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    hostcalls::send_http_response(reply.code.into(), headers, Some(&reply.body))
}

/// Makes the calls that follow act on a stream.
///
/// # Errors
///
/// The stream is gone.
pub(crate) fn act_on(stream: u32) -> Result<(), Status> {
    hostcalls::set_effective_context(stream)
}

pub(crate) fn tick_every(period: Duration) -> Result<(), Status> {
    hostcalls::set_tick_period(period)
}

/// Sends a request of the gateway's own. To be called in the root context only: the
/// SDK drops the answer to a call of a stream that has ended.
pub(crate) fn send(call: &Call) -> Result<u32, Status> {
    let cluster = match &call.upstream {
        Upstream::Clients => CLIENTS_CLUSTER,
        Upstream::Gateway => GATEWAY_CLUSTER,
        Upstream::Named(cluster) => cluster,
    };
    let headers = call.headers.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = Some(&call.body[..]).filter(|body| !body.is_empty());
    hostcalls::dispatch_http_call(cluster, headers, body, vec![], call.timeout)
}

/// Reads the answer to a call. Without headers there is none, and reading one
/// would trap.
pub(crate) fn answer(num_headers: usize, purpose: &Purpose) -> Answer {
    if num_headers == 0 {
        return Answer::None;
    }
    let longest = match purpose {
        // Envoy bounds them (`http.async_response_buffer_limit`).
        Purpose::Policy(_) | Purpose::Resend { .. } | Purpose::Wait { .. } => usize::MAX,
        _ => MAX_ANSWER_BYTES,
    };
    let headers = map::get(MapType::HttpCallResponseHeaders);
    let body = hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, longest);
    match (headers, body) {
        (Ok(headers), Ok(body)) => Answer::Some { headers, body: body.unwrap_or_default() },
        _ => Answer::None,
    }
}

pub(crate) fn define_counter(name: &str) -> Result<u32, Status> {
    hostcalls::define_metric(MetricType::Counter, name)
}

pub(crate) fn define_gauge(name: &str) -> Result<u32, Status> {
    hostcalls::define_metric(MetricType::Gauge, name)
}

pub(crate) fn add_to_metric(id: u32, change: i64) -> Result<(), Status> {
    hostcalls::increment_metric(id, change)
}

pub(crate) fn set_metric(id: u32, value: u64) -> Result<(), Status> {
    hostcalls::record_metric(id, value)
}

pub(crate) fn get_shared(key: &str) -> Result<(Option<Vec<u8>>, Option<u32>), Status> {
    hostcalls::get_shared_data(key)
}

pub(crate) fn set_shared(key: &str, value: &[u8], version: u32) -> Result<(), Status> {
    hostcalls::set_shared_data(key, Some(value), Some(version))
}
