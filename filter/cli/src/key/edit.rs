//! Changes the keys of a client in the text of a policy, and nothing else: comments
//! and layout stay.

use std::ops::Range;

use anyhow::{Context, bail};
use keyhole_core::{ListedKey, Listing, UnixTime};

use super::spans::{Node, Value};

/// A new key for a client, and until when its old ones serve.
#[derive(Debug)]
pub(super) struct Rotation<'a> {
    pub(super) client: &'a str,
    pub(super) digest: String,
    pub(super) not_after: UnixTime,
    pub(super) old_until: UnixTime,
}

/// What to put in the place of these bytes.
type Edit = (Range<usize>, String);

// === impl Rotation ===

impl Rotation<'_> {
    /// The document with the new key, and an end for the old ones.
    pub(super) fn apply(&self, text: &str, listing: &Listing) -> anyhow::Result<String> {
        let name = self.client;
        let listed = listing.clients.iter().find(|client| client.name == name);
        let listed = listed.with_context(|| format!("no client `{name}` is in the policy"))?;
        if listed.keys.is_empty() {
            bail!("the client `{name}` has no key to replace, but tokens");
        }
        let root = Node::parse(text)?;
        let clients = root.field("clients").map(Node::items).unwrap_or_default();
        let client = clients
            .iter()
            .find(|client| client.field("name").and_then(Node::text) == Some(name))
            .and_then(|client| client.field("keys"))
            .context("the client's keys are not found in the text")?;
        let mut edits = Vec::new();
        for (node, key) in client.items().iter().zip(&listed.keys) {
            edits.extend(self.end(text, node, key)?);
        }
        edits.push(self.add(text, client)?);
        Ok(edited(text, edits))
    }

    /// An end for an old key, unless it ends before or starts after.
    fn end(&self, text: &str, node: &Node, key: &ListedKey) -> anyhow::Result<Option<Edit>> {
        let until = self.old_until.to_string();
        let ended = key.not_after.is_some_and(|end| end <= self.old_until);
        if ended || key.not_before.is_some_and(|start| start >= self.old_until) {
            return Ok(None);
        }
        if let Some(old) = node.field("notAfter") {
            let quote = text.get(old.at.clone()).and_then(|old| old.chars().next());
            let quote = quote.filter(|c| matches!(c, '"' | '\'')).map(String::from);
            let quote = quote.unwrap_or_default();
            return Ok(Some((old.at.clone(), format!("{quote}{until}{quote}"))));
        }
        let edit = match is_flow(text, node) {
            true => {
                let until = field(is_json(text, node), "notAfter", &until);
                let end = last_value(node)?.at.end;
                (end..end, format!(", {until}"))
            }
            false => {
                let at = line_end(text, node.at.end);
                let indent = column(text, node.at.start);
                let newline = newline(text);
                (at..at, format!("{newline}{:indent$}notAfter: {until}", ""))
            }
        };
        Ok(Some(edit))
    }

    /// The new key, after the last one and in its style.
    fn add(&self, text: &str, keys: &Node) -> anyhow::Result<Edit> {
        let last = keys.items().last().context("the client has no key")?;
        let until = self.not_after.to_string();
        let json = is_json(text, last);
        let digest = match json {
            true => field(true, "sha256", &self.digest),
            false => format!("sha256: \"{}\"", self.digest),
        };
        let flow = format!("{{{digest}, {}}}", field(json, "notAfter", &until));
        if is_flow(text, keys) {
            if !is_flow(text, last) {
                bail!("a key is written without braces: write {{sha256: ...}}");
            }
            return Ok((last.at.end..last.at.end, format!(", {flow}")));
        }
        let before = text.get(..last.at.start).unwrap_or_default();
        let dash =
            before.trim_end().strip_suffix('-').context("a key is not found in the text")?;
        let (at, indent) = (line_end(text, last.at.end), column(text, dash.len()));
        let newline = newline(text);
        let start = format!("{newline}{:indent$}- ", "");
        Ok(match is_flow(text, last) {
            true => (at..at, format!("{start}{flow}")),
            false => {
                (at..at, format!("{start}{digest}{newline}{:indent$}  notAfter: {until}", ""))
            }
        })
    }
}

/// From the last on, so that the places of the others stay. Of two at the same
/// place, the one that was asked for first comes first.
fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(at, _)| at.start);
    let mut edited = text.to_owned();
    for (at, new) in edits.into_iter().rev() {
        edited.replace_range(at, &new);
    }
    edited
}

fn last_value(mapping: &Node) -> anyhow::Result<&Node> {
    match &mapping.value {
        Value::Mapping(entries) => entries.last().map(|(_, value)| value),
        _ => None,
    }
    .context("a key is not a mapping")
}

fn field(json: bool, name: &str, value: &str) -> String {
    match json {
        true => format!("\"{name}\": \"{value}\""),
        false => format!("{name}: {value}"),
    }
}

/// Whether a collection has brackets. A block sequence may start with the brace of
/// its first item.
fn is_flow(text: &str, node: &Node) -> bool {
    let bracket = match node.value {
        Value::Mapping(_) => '{',
        Value::Scalar(_) => return false,
        Value::Sequence(_) => '[',
    };
    text.get(node.at.clone()).is_some_and(|text| text.starts_with(bracket))
}

/// Whether the fields of a mapping are quoted.
fn is_json(text: &str, mapping: &Node) -> bool {
    match &mapping.value {
        Value::Mapping(entries) => entries.first().is_some_and(|(key, _)| {
            text.get(key.at.clone()).is_some_and(|text| text.starts_with('"'))
        }),
        _ => false,
    }
}

/// Where the line ends that this byte is in.
fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let line = rest.split('\n').next().unwrap_or_default();
    at.saturating_add(line.trim_end_matches('\r').len())
}

/// How many characters stand before this byte in its line.
fn column(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rsplit('\n').next().unwrap_or_default().chars().count()
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_core::{KeyDigest, list_policy};

    /// A policy whose client `c` has these `keys`, and another one with a key.
    fn policy(keys: &str) -> String {
        format!(
            "# a policy\napiVersion: keyhole/v1\nkind: Policy\nclients:\n\
             - {{name: b, keys: [{{sha256: {B}}}], serviceAccount: {{namespace: d, name: b}}, roles: []}}\n\
             - name: c   # the client\n{keys}  serviceAccount: {{namespace: d, name: c}}\n  roles: []  # none\n"
        )
    }

    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn rotated(text: &str) -> String {
        let rotation = Rotation {
            client: "c",
            digest: KeyDigest::of(b"new").to_hex(),
            not_after: UnixTime::from_secs(1_800_000_000),
            old_until: UnixTime::from_secs(1_770_000_000),
        };
        let listing =
            list_policy(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        rotation.apply(text, &listing).unwrap()
    }

    #[test]
    #[rustfmt::skip]
    fn only_the_keys_change_and_their_style_stays() {
        const LATE: &str = "notAfter: 2026-02-02T02:40:00Z";
        const NEW: &str = "sha256: \"NEW\"";
        const END: &str = "notAfter: 2027-01-15T08:00:00Z";
        for (keys, expected) in [
            // block style, with comments and blank lines
            ("  keys:\n  - sha256: AAA # one\n\n", format!("  keys:\n  - sha256: AAA # one\n    {LATE}\n  - {NEW}\n    {END}\n\n")),
            ("  keys:\n    # why\n    - sha256: 'AAA'\n      notBefore: 2020-01-01T00:00:00Z  # old\n", format!("  keys:\n    # why\n    - sha256: 'AAA'\n      notBefore: 2020-01-01T00:00:00Z  # old\n      {LATE}\n    - {NEW}\n      {END}\n")),
            ("  keys:\n  -   sha256: AAA\n  -\n    sha256: BAA\n", format!("  keys:\n  -   sha256: AAA\n      {LATE}\n  -\n    sha256: BAA\n    {LATE}\n  - {NEW}\n    {END}\n")),
            // an end that comes before stays, a later one is brought forward
            ("  keys:\n  - sha256: AAA\n    notAfter: 2026-01-01T00:00:00Z\n  - notAfter: \"2030-01-01T00:00:00Z\" # far\n    sha256: BAA\n",
             format!("  keys:\n  - sha256: AAA\n    notAfter: 2026-01-01T00:00:00Z\n  - notAfter: \"2026-02-02T02:40:00Z\" # far\n    sha256: BAA\n  - {NEW}\n    {END}\n")),
            // a key that starts later is left alone
            ("  keys:\n  - {sha256: AAA, notBefore: 2028-01-01T00:00:00Z}\n", format!("  keys:\n  - {{sha256: AAA, notBefore: 2028-01-01T00:00:00Z}}\n  - {{{NEW}, {END}}}\n")),
            // flow style
            ("  keys: [{sha256: AAA}]\n", format!("  keys: [{{sha256: AAA, {LATE}}}, {{{NEW}, {END}}}]\n")),
            ("  keys: [ {sha256: AAA, } , ] # x\n", format!("  keys: [ {{sha256: AAA, {LATE}, }}, {{{NEW}, {END}}} , ] # x\n")),
            ("  keys:\n  - {sha256: AAA} # x\n", format!("  keys:\n  - {{sha256: AAA, {LATE}}} # x\n  - {{{NEW}, {END}}}\n")),
            // JSON
            ("  \"keys\": [{\"sha256\": \"AAA\"}]\n", "  \"keys\": [{\"sha256\": \"AAA\", \"notAfter\": \"2026-02-02T02:40:00Z\"}, {\"sha256\": \"NEW\", \"notAfter\": \"2027-01-15T08:00:00Z\"}]\n".to_owned()),
        ] {
            let text = |keys: &str| {
                let keys = keys.replace("AAA", &"a".repeat(64)).replace("BAA", &"1".repeat(64));
                policy(&keys.replace("NEW", &KeyDigest::of(b"new").to_hex()))
            };
            for newline in ["\n", "\r\n"] {
                let lines = |keys: &str| text(keys).replace('\n', newline);
                assert_eq!(rotated(&lines(keys)), lines(&expected));
            }
        }
    }
}
