use super::*;
use crate::worker::tests::sent;
use alloc::string::ToString;

fn headers(status: &str, content_type: &str) -> HeaderList {
    let pairs = [(":status", status), ("retry-after", "1"), ("content-type", content_type)];
    pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// In a word; for an answer, with its code.
fn told(step: &Step) -> String {
    match step {
        Step::Answer(reply) => format!("answer {}", reply.code),
        Step::AskDetails => "ask".to_string(),
        Step::Convert(headers, _) => {
            assert_eq!(headers.get("content-type"), Some(&b"application/json"[..]));
            assert_eq!(headers.get("retry-after"), Some(&b"1"[..]));
            "convert".to_string()
        }
        Step::Pass => "pass".to_string(),
        Step::Rewrite(_) => "rewrite".to_string(),
        Step::Unauthorized => "unauthorized".to_string(),
    }
}

#[test]
#[rustfmt::skip]
fn a_client_gets_one_json_document() {
    const JSON: &str = "application/json";
    for (verb, status, content_type, end, expected) in [
        (Verb::Get,    "200", JSON,                                   false, "pass"),
        (Verb::Get,    "200", "application/json;as=Table",            false, "pass"),
        (Verb::Watch,  "200", "application/json;stream=watch",        false, "pass"),
        (Verb::Get,    "404", JSON,                                   false, "pass"),
        (Verb::Get,    "503", JSON,                                   false, "pass"),
        (Verb::Create, "201", JSON,                                   false, "pass"),
        (Verb::Create, "429", JSON,                                   false, "pass"),
        (Verb::Delete, "204", "",                                     true,  "pass"),
        (Verb::Get,    "401", JSON,                                   false, "unauthorized"),
        // text, YAML, bytes
        (Verb::Get,    "200", "text/plain; charset=utf-8",            false, "convert"),
        (Verb::Get,    "404", "text/plain",                           false, "convert"),
        (Verb::List,   "429", "text/plain",                           false, "convert"),
        (Verb::Create, "429", "text/plain",                           false, "convert"),
        (Verb::Get,    "200", "application/yaml",                     false, "convert"),
        (Verb::Get,    "200", "application/vnd.kubernetes.protobuf",  false, "convert"),
        (Verb::Get,    "200", "",                                     false, "convert"),
        // nothing at all
        (Verb::Get,    "200", "",                                     true,  "answer 200"),
        (Verb::Get,    "503", "",                                     true,  "answer 503"),
        (Verb::Get,    "404", JSON,                                   true,  "answer 404"),
        // what SQL Server would send again
        (Verb::Create, "503", JSON,                                   false, "ask"),
        (Verb::Patch,  "500", "text/plain",                           false, "ask"),
        (Verb::Delete, "504", "",                                     true,  "ask"),
    ] {
        let sent = Sent { answer: Wanted::View(View::Full), ..sent(verb) };
        let step = judge(&sent, &headers(status, content_type), end);
        assert_eq!(told(&step), expected, "{verb} {status} {content_type} {end}");
    }
}

#[test]
fn a_list_is_pruned_as_it_passes() {
    let sent = sent(Verb::List);
    let document = br#"{"items":[{"metadata":{"managedFields":[]}}]}"#;
    let head = headers("200", "application/json");
    let head = head.iter().chain([(&b"content-length"[..], &b"46"[..])]).collect();
    let Step::Convert(head, mut converter) = judge(&sent, &head, false) else { panic!() };
    assert_eq!(head, headers("200", "application/json"));
    assert_eq!(converter.convert(document, true), br#"{"items":[{"metadata":{}}]}"#);
    // An error has nothing to be left out.
    let step = judge(&sent, &headers("403", "application/json"), false);
    assert_eq!(told(&step), "pass");
}

#[test]
#[rustfmt::skip]
fn a_change_that_may_have_been_carried_out_is_not_sent_again() {
    for (details, expected) in [
        ("via_upstream",                                                            Some("the apiserver answered 503")),
        ("upstream_reset_before_response_started{connection_termination}",          Some("its answer was lost: upstream_reset_before_response_started{connection_termination}")),
        ("upstream_response_timeout",                                               Some("its answer was lost: upstream_response_timeout")),
        ("upstream_reset_before_response_started{remote_reset}",                    Some("its answer was lost: upstream_reset_before_response_started{remote_reset}")),
        ("",                                                                        Some("its answer was lost: ")),
        ("upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}", None),
        ("upstream_reset_before_response_started{overflow}",                        None),
        ("upstream_reset_before_response_started{remote_refused_stream_reset}",     None),
        ("no_healthy_upstream",                                                     None),
    ] {
        let refused = outcome(&sent(Verb::Create), &headers("503", ""), details.as_bytes());
        let refusal = refused.map(|refused| refused.refusal);
        assert_eq!(refusal.as_ref().map(|refusal| refusal.reply().code), expected.map(|_| 409));
        if let (Some(refusal), Some(expected)) = (refusal, expected) {
            assert!(refusal.to_string().starts_with(expected), "{refusal}");
        }
    }
}
