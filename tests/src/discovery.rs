//! What a real apiserver offers: every resource and subresource with its verbs.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::stack::Stack;

/// The offer of kube-apiserver 1.36.3; a test holds it against the running one.
const RECORDED: &str = include_str!("../cases/discovery.tsv");

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resource {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    /// As in `pods` or `pods/log`.
    pub name: String,
    pub namespaced: bool,
    pub verbs: Vec<String>,
}

/// What was recorded.
pub fn recorded() -> Vec<Resource> {
    RECORDED.lines().filter(|line| !line.starts_with('#')).filter_map(Resource::parse).collect()
}

/// What this apiserver offers now.
pub fn live(stack: &Stack) -> Result<Vec<Resource>> {
    let mut found = of_version(stack, "/api/v1", "", "v1")?;
    let groups: Value = serde_json::from_str(&stack.kubectl(&["get", "--raw", "/apis"])?)?;
    for group in groups["groups"].as_array().context("no groups")? {
        let name = group["name"].as_str().context("a group without a name")?;
        for version in group["versions"].as_array().context("no versions")? {
            let version = version["version"].as_str().context("a version without a name")?;
            found.extend(of_version(stack, &format!("/apis/{name}/{version}"), name, version)?);
        }
    }
    found.sort_by_key(Resource::line);
    Ok(found)
}

fn of_version(stack: &Stack, path: &str, group: &str, version: &str) -> Result<Vec<Resource>> {
    let list: Value = serde_json::from_str(&stack.kubectl(&["get", "--raw", path])?)?;
    let resources = list["resources"].as_array().context("no resources")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let resources = resources.iter().map(|resource| Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        name: text(&resource["name"]),
        namespaced: resource["namespaced"] == true,
        verbs: resource["verbs"].as_array().into_iter().flatten().map(text).collect(),
    });
    Ok(resources.collect())
}

// === impl Resource ===

impl Resource {
    /// `group version name namespaced|cluster verb,verb`, separated by tabs.
    pub fn line(&self) -> String {
        let Self { group, version, name, namespaced, verbs } = self;
        let scope = if *namespaced { "namespaced" } else { "cluster" };
        format!("{group}\t{version}\t{name}\t{scope}\t{}", verbs.join(","))
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t').map(str::to_owned);
        Some(Self {
            group: fields.next()?,
            version: fields.next()?,
            name: fields.next()?,
            namespaced: fields.next()? == "namespaced",
            verbs: fields.next()?.split(',').map(str::to_owned).collect(),
        })
    }

    pub fn resource(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    pub fn subresource(&self) -> &str {
        self.name.split_once('/').map_or("", |(_, subresource)| subresource)
    }

    /// The path of the collection, in the namespace where there is one.
    pub fn collection(&self, namespace: &str) -> String {
        let root = match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match self.namespaced {
            true => format!("{root}/namespaces/{namespace}/{}", self.resource()),
            false => format!("{root}/{}", self.resource()),
        }
    }

    /// The path of one object, or of its subresource.
    pub fn object(&self, namespace: &str, name: &str) -> String {
        let object = format!("{}/{name}", self.collection(namespace));
        match self.subresource() {
            "" => object,
            subresource => format!("{object}/{subresource}"),
        }
    }
}
