//! The only file that names host calls. Bytes in, `Result` out.
//!
//! The SDK panics on a status that it does not expect, which traps the VM;
//! Envoy then answers 503 and reloads it (`failure_policy: FAIL_RELOAD`). The
//! calls here are those that do not do so on input from the network.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyhole_core::{
    Answer, Forward, Header, MAX_ANSWER_BYTES, REQUEST_TIMEOUT, Reply, TokenRequest, UnixTime,
};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, Status};

/// The Envoy cluster that adds the gateway's own credential to every request.
const GATEWAY_CLUSTER: &str = "kube-apiserver-gateway";
const GATEWAY_AUTHORITY: &str = "kubernetes.default.svc";

/// What a TokenRequest was answered, in the host's memory no longer.
pub(crate) struct Response {
    status: Vec<u8>,
    body: Vec<u8>,
}

/// The plugin configuration, if there is one and it is text.
pub(crate) fn configuration() -> Option<String> {
    let bytes =
        hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX).ok()??;
    String::from_utf8(bytes).ok()
}

pub(crate) fn now() -> UnixTime {
    let since_epoch = time().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_millis(since_epoch.as_millis().try_into().unwrap_or(u64::MAX))
}

/// A number that differs from gateway to gateway and from time to time.
pub(crate) fn jitter() -> u64 {
    let since_epoch = time().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.subsec_nanos().into()
}

pub(crate) fn request_headers() -> Result<Vec<Header>, Status> {
    hostcalls::get_map_bytes(MapType::HttpRequestHeaders)
}

pub(crate) fn replace_request_headers(forward: &Forward<'_>) -> Result<(), Status> {
    hostcalls::set_map_bytes(MapType::HttpRequestHeaders, forward.headers())
}

/// Leaves no trailers to forward.
pub(crate) fn drop_request_trailers() -> Result<(), Status> {
    hostcalls::set_map_bytes(MapType::HttpRequestTrailers, Vec::new())
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

/// Sends a TokenRequest. To be called in the root context only: the SDK drops
/// the answer to a call of a stream that has ended.
pub(crate) fn request_token(request: &TokenRequest) -> Result<u32, Status> {
    let headers = vec![
        (":method", "POST"),
        (":path", request.path.as_str()),
        (":authority", GATEWAY_AUTHORITY),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("user-agent", concat!("keyhole/", env!("CARGO_PKG_VERSION"))),
    ];
    let body = Some(request.body.as_slice());
    hostcalls::dispatch_http_call(GATEWAY_CLUSTER, headers, body, vec![], REQUEST_TIMEOUT)
}

/// Reads the answer to a call. Without headers there is none, and reading one
/// would trap.
pub(crate) fn response(num_headers: usize) -> Option<Response> {
    if num_headers == 0 {
        return None;
    }
    let status = hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, ":status");
    let body = hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, MAX_ANSWER_BYTES);
    Some(Response { status: status.ok()??, body: body.ok()?.unwrap_or_default() })
}

fn time() -> SystemTime {
    hostcalls::get_current_time().unwrap_or(UNIX_EPOCH)
}

// === impl Response ===

impl Response {
    pub(crate) fn answer(response: Option<&Self>) -> Answer<'_> {
        match response {
            Some(Self { status, body }) => Answer::Some { status, body },
            None => Answer::None,
        }
    }
}
