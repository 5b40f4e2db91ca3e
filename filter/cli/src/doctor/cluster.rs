//! Is the apiserver there, as whom does it know us, and what time is it there?

use std::ops::RangeInclusive;

use keyhole_core::UnixTime;
use serde::Deserialize;
use serde_json::json;

use super::kubectl::{Failed, Kubectl};
use super::report::{Area, Report};
use crate::clock::now;

#[derive(Deserialize)]
struct SelfSubjectReview {
    metadata: Metadata,
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    /// When the apiserver answered.
    creation_timestamp: jiff::Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    user_info: UserInfo,
}

#[derive(Deserialize)]
struct UserInfo {
    username: String,
}

/// What the gateway, too, takes for too much.
const MAX_SKEW_SECONDS: u64 = 30;

/// Whether the cluster can be asked.
pub(super) fn check(kubectl: &Kubectl, report: &mut Report) -> anyhow::Result<bool> {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let before = now()?;
    let told = kubectl.create::<SelfSubjectReview>(&[review], None)?;
    let here = before..=now()?;
    let review = match told.map(|reviews| reviews.into_iter().next()) {
        Ok(Some(review)) => review,
        Ok(None) => return Ok(false),
        Err(Failed(said)) => {
            let found = format!("the apiserver does not answer: {said}");
            report.problem(
                Area::Cluster,
                found,
                "try `kubectl version`: KUBECONFIG, the network, or a login that has expired",
            );
            return Ok(false);
        }
    };
    let SelfSubjectReview { metadata, status } = review;
    let user = status.user_info.username;
    report.ok(Area::Cluster, format!("the apiserver answers; it knows you as {user}"));
    let there = u64::try_from(metadata.creation_timestamp.as_second()).unwrap_or_default();
    match skew(&here, UnixTime::from_secs(there)) {
        None => report.ok(Area::Cluster, "its clock and the one here agree"),
        Some(skew) => report.warning(
            Area::Cluster,
            format!("the clock here is {skew} of the apiserver's"),
            "set it (by NTP): by the clock here, it is judged below what has expired",
        ),
    }
    Ok(true)
}

/// In words, if it is too much. `there` is in seconds, of some moment in `here`.
pub(super) fn skew(here: &RangeInclusive<UnixTime>, there: UnixTime) -> Option<String> {
    let ahead = there.until(*here.start()).as_secs();
    let behind = here.end().until(there).as_secs();
    if ahead > MAX_SKEW_SECONDS {
        Some(format!("{ahead} s ahead"))
    } else if behind > MAX_SKEW_SECONDS {
        Some(format!("{behind} s behind"))
    } else {
        None
    }
}
