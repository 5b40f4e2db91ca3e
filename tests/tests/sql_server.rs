//! What `docs/sql-server.md` shows can be read by whom it is for. Its T-SQL is not run:
//! there is no SQL Server here.

use keyhole_core::{Attributes, KEY_PREFIX, Request};
use keyhole_tests::page::{blocks, page};
use serde_json::Value;

const GATEWAY: &str = "'https://keyhole.example.com";

fn shown(language: &str) -> Vec<String> {
    let blocks = blocks(&page("docs/sql-server.md"), language);
    assert!(!blocks.is_empty());
    blocks
}

#[test]
fn every_block_is_of_a_language_that_is_looked_at() {
    let page = page("docs/sql-server.md");
    let fences = page.lines().filter(|line| line.starts_with("```")).count();
    assert_eq!(fences, 2 * (shown("sql").len() + shown("json").len()));
}

#[test]
fn every_reply_is_one_json_document() {
    for block in shown("json") {
        let document: Value =
            serde_json::from_str(&block).unwrap_or_else(|error| panic!("{error}\n{block}"));
        assert!(document.is_object(), "{block}");
    }
}

#[test]
fn no_query_has_a_key_in_it() {
    for block in shown("sql") {
        assert!(!block.contains(KEY_PREFIX), "{block}");
        for (_, secret) in block
            .match_indices("x-api-key\":\"")
            .map(|(at, name)| block.split_at(at + name.len()))
        {
            assert!(secret.starts_with("$("), "{block}");
        }
    }
}

#[test]
fn the_gateway_reads_every_request_as_one_for_a_resource() {
    let mut count = 0;
    for block in shown("sql") {
        for (at, _) in block.match_indices(GATEWAY) {
            let rest = &block[at + GATEWAY.len()..];
            let (target, rest) = rest.split_once('\'').unwrap();
            let (_, method) = rest.split_once("@method = N'").expect(target);
            let (method, _) = method.split_once('\'').unwrap();
            let request = Request::parse(method.as_bytes(), target.as_bytes());
            let request = request.unwrap_or_else(|error| panic!("{method} {target}: {error}"));
            assert!(matches!(request.attributes, Attributes::Resource(_)), "{target}");
            count += 1;
        }
    }
    assert!(count >= 9, "{count}");
}
