//! The core, natively.

use keyhole_core::diff::diff;
use keyhole_core::{
    Arrival, Attempt, Body, HeaderList, Listing, Passed, Problem, UnixTime, explain,
    list_policy, pass, warnings,
};
use keyhole_tests::cases::read_as;

use super::question::{Asked, Documents, Judged, Read, Row, Rows, hex, unhex};

pub fn judged(rows: &Rows) -> Vec<Judged> {
    let listing = list_policy(&rows.policy).unwrap();
    let now = UnixTime::from_secs(rows.now);
    rows.rows.iter().map(|row| judge(&listing, row, now)).collect()
}

fn judge(listing: &Listing, row: &Row, now: UnixTime) -> Judged {
    let headers: HeaderList =
        row.headers.iter().map(|(name, value)| (name, unhex(value))).collect();
    let given = row.body.as_deref().map(unhex);
    let body = if given.is_some() { Body::Follows } else { Body::Empty };
    let arrival = Arrival { headers: &headers, body, source: None };
    let given = given.unwrap_or_default();
    let words = row.asked.as_ref().map(|asked| words(listing, asked));
    match pass(&listing.loaded.policy, &arrival, &given, now) {
        Ok(Passed { client, account, request, headers, body, reported }) => {
            let headers =
                headers.iter().map(|(name, value)| format!("{name}: {}\n", hex(value)));
            let body = body.as_deref().map(hex).unwrap_or_default();
            let reported = reported.map(|own| own.refusal.to_string()).unwrap_or_default();
            let headers: String = headers.collect();
            let message = format!("{client} {account}\n{headers}{body}\n{reported}");
            let attributes = Some(read_as(&request));
            Judged { status: None, attributes, message, words }
        }
        Err(refused) => {
            let reply = refused.refusal.reply();
            let headers =
                reply.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
            let (headers, reason) = (headers.collect::<String>(), &refused.refusal);
            let message =
                format!("{headers}{}{reason}", String::from_utf8(reply.body).unwrap());
            Judged { status: Some(reply.code), attributes: None, message, words }
        }
    }
}

fn words(listing: &Listing, asked: &Asked) -> String {
    let Asked { client, method, target, content_type } = asked;
    let client = listing.client(client).unwrap();
    let content_type = content_type.as_deref();
    let attempt = Attempt { method, target, content_type, body: None };
    explain(listing, client, &attempt).words("policy").to_string()
}

pub fn read(documents: &Documents) -> Read {
    let now = UnixTime::from_secs(documents.now);
    let listings: Vec<_> = documents.documents.iter().map(|text| list_policy(text)).collect();
    let checked = listings.iter().map(|listing| match listing {
        Ok(listing) => {
            let names: Vec<&str> = listing.client_names().map(|name| &**name).collect();
            let (revision, names) = (&listing.loaded.revision, names.join(" "));
            format!("valid {revision} {names}\n{}", written(&warnings(listing, now)))
        }
        Err(problems) => format!("problems\n{}", written(problems)),
    });
    let checked = checked.collect();
    let valid: Vec<&Listing> = listings.iter().flatten().collect();
    let diffs = valid.iter().flat_map(|old| valid.iter().map(|new| diff(old, new).to_string()));
    Read { checked, diffs: diffs.collect() }
}

fn written(problems: &[Problem]) -> String {
    let lines = problems.iter().map(|problem| {
        let Problem { line, column, field, message } = problem;
        format!("{line}:{column}: {field}: {message}\n")
    });
    lines.collect()
}
