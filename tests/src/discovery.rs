//! What a real apiserver offers: every resource and subresource with its verbs.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::client::{Client, Response};
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

/// The name of an object that does not exist.
pub const NAME: &str = "keyhole-none";

/// A resource, one of its verbs, and the request that kubectl would send for it.
#[derive(Clone, Debug)]
pub struct Call {
    pub resource: Resource,
    pub verb: String,
    pub method: &'static str,
    pub target: String,
    pub content_type: &'static str,
}

/// Each verb of each resource that was recorded. None of them changes anything
/// that is there.
pub fn calls() -> Vec<Call> {
    let resources = recorded();
    let calls = resources
        .iter()
        .flat_map(|resource| resource.verbs.iter().map(|verb| Call::new(resource, verb)));
    calls.collect()
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

    /// Whether it turns the connection into a stream.
    pub fn streams(&self) -> bool {
        ["attach", "exec", "portforward", "proxy"].contains(&self.subresource())
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

// === impl Call ===

impl Call {
    fn new(resource: &Resource, verb: &str) -> Self {
        let (collection, object) =
            (resource.collection("default"), resource.object("default", NAME));
        let none = "labelSelector=keyhole%3Dnone";
        let (method, target) = match verb {
            "create" if resource.subresource().is_empty() => ("POST", collection),
            "create" => ("POST", object),
            "delete" => ("DELETE", object),
            "deletecollection" => ("DELETE", format!("{collection}?{none}")),
            "get" => ("GET", object),
            "list" => ("GET", format!("{collection}?{none}")),
            "patch" => ("PATCH", object),
            "update" => ("PUT", object),
            "watch" => ("GET", format!("{collection}?watch=true&timeoutSeconds=1&{none}")),
            verb => panic!("a new verb: {verb}"),
        };
        let content_type = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        Self { resource: resource.clone(), verb: verb.to_owned(), method, target, content_type }
    }

    /// Sends it, with an empty object where a body is due.
    pub fn send(&self, client: &Client) -> Result<Response> {
        let body = if self.method == "GET" { "" } else { "{}" };
        client.with("content-type", self.content_type).send(self.method, &self.target, body)
    }

    /// As [`Event::attributes`](crate::audit::Event::attributes) writes them.
    pub fn expected(&self) -> String {
        let Resource { group, .. } = &self.resource;
        let namespace = match (self.resource.namespaced, self.resource.resource(), &*self.verb)
        {
            (true, _, _) => "default",
            // A namespace lies in itself.
            (false, "namespaces", "list" | "watch" | "create") => "",
            (false, "namespaces", _) => NAME,
            (false, _, _) => "",
        };
        let name = match (self.resource.subresource(), &*self.verb) {
            ("", "create" | "list" | "watch" | "deletecollection") => "",
            _ => NAME,
        };
        let (verb, resource) = (&self.verb, self.resource.resource());
        format!("{verb} {group}/{resource}/{} {namespace}/{name}", self.resource.subresource())
    }
}
