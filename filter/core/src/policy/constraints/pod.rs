//! What a pod spec may say.

use alloc::string::String;
use alloc::vec::Vec;

use super::place::{Given, Place};
use super::violation::{Found, Violation, Words};
use super::{Image, Privilege};
use crate::request::content::Value;

/// All sorts of containers that a pod has.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
/// Whom a pod runs as that does not say so.
const DEFAULT_ACCOUNT: &str = "default";

pub(super) fn judge_images(pod: &Place<'_>, allowed: &[Image]) -> Result<(), Violation> {
    for container in containers(pod)? {
        judge_image(&container.field("image")?, allowed)?;
    }
    for volume in pod.field("volumes")?.items()? {
        let image = volume.field("image")?;
        if image.is_value() {
            judge_image(&image.field("reference")?, allowed)?;
        }
    }
    Ok(())
}

fn judge_image(image: &Place<'_>, allowed: &[Image]) -> Result<(), Violation> {
    let fits = match image.given() {
        Given::Untouched => true,
        Given::Absent => false,
        Given::Value(_) => {
            image.text().is_some_and(|text| allowed.iter().any(|image| image.allows(text)))
        }
    };
    match fits {
        true => Ok(()),
        false => Err(not_listed(image, image.found(), allowed.iter().map(Image::as_str))),
    }
}

pub(super) fn judge_account(pod: &Place<'_>, allowed: &[String]) -> Result<(), Violation> {
    let listed = |name: &str| allowed.iter().any(|account| account == name);
    let refused =
        |place, found| Err(not_listed(place, found, allowed.iter().map(String::as_str)));
    let (name, alias) = (pod.field("serviceAccountName")?, pod.field("serviceAccount")?);
    for place in [&name, &alias] {
        if place.is_value() && !place.text().is_some_and(listed) {
            return refused(place, place.found());
        }
    }
    let said = name.is_value() || alias.is_value();
    let untouched =
        [&name, &alias].iter().all(|place| matches!(place.given(), Given::Untouched));
    match said || untouched || listed(DEFAULT_ACCOUNT) {
        true => Ok(()),
        false => refused(&name, Found::Default(DEFAULT_ACCOUNT)),
    }
}

pub(super) fn judge_privilege(pod: &Place<'_>, privilege: Privilege) -> Result<(), Violation> {
    for place in asking_places(pod, privilege)? {
        if let Given::Value(value) = place.given()
            && !is_harmless(value, privilege)
        {
            return Err(Violation::Forbidden {
                place: place.path().into(),
                found: Found::value(value),
            });
        }
    }
    Ok(())
}

/// Where a pod can ask for a privilege.
fn asking_places<'v>(
    pod: &Place<'v>,
    privilege: Privilege,
) -> Result<Vec<Place<'v>>, Violation> {
    let in_containers = |path: &[&str]| -> Result<Vec<_>, _> {
        containers(pod)?.iter().map(|container| container.descend(path)).collect()
    };
    match privilege {
        Privilege::AddedCapabilities => {
            in_containers(&["securityContext", "capabilities", "add"])
        }
        Privilege::HostIpc => Ok([pod.field("hostIPC")?].into()),
        Privilege::HostNetwork => Ok([pod.field("hostNetwork")?].into()),
        Privilege::HostPath => {
            let volumes = pod.field("volumes")?.items()?;
            volumes.iter().map(|volume| volume.field("hostPath")).collect()
        }
        Privilege::HostPid => Ok([pod.field("hostPID")?].into()),
        Privilege::HostPorts => {
            let mut places = Vec::new();
            for ports in in_containers(&["ports"])? {
                for port in ports.items()? {
                    places.push(port.field("hostPort")?);
                }
            }
            Ok(places)
        }
        Privilege::Privileged => in_containers(&["securityContext", "privileged"]),
    }
}

fn is_harmless(value: &Value, privilege: Privilege) -> bool {
    match privilege {
        Privilege::AddedCapabilities => matches!(value, Value::List(list) if list.is_empty()),
        Privilege::HostPath => false,
        Privilege::HostPorts => *value == Value::Number(0),
        Privilege::HostIpc
        | Privilege::HostNetwork
        | Privilege::HostPid
        | Privilege::Privileged => *value == Value::Bool(false),
    }
}

fn containers<'v>(pod: &Place<'v>) -> Result<Vec<Place<'v>>, Violation> {
    let mut containers = Vec::new();
    for sort in CONTAINERS {
        containers.extend(pod.field(sort)?.items()?);
    }
    Ok(containers)
}

fn not_listed<'a>(
    place: &Place<'_>,
    found: Found,
    allowed: impl Iterator<Item = &'a str>,
) -> Violation {
    Violation::NotListed { place: place.path().into(), found, allowed: Words::new(allowed) }
}
