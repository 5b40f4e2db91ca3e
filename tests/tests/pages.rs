//! The pages speak of what there is: each link leads somewhere, and each test that one
//! names exists.
//!
//! A link to a Rust file, with code for its text, names a test in it; or a row of a
//! table there, by the text that stands in it.

use std::fs;
use std::path::{Path, PathBuf};

use keyhole_tests::page::page;
use keyhole_tests::stack::root;

const PAGES: [&str; 18] = [
    "README.md",
    ".github/SECURITY.md",
    "docs/component.md",
    "docs/decision-log.md",
    "docs/deploying.md",
    "docs/keyless.md",
    "docs/meshes.md",
    "docs/metrics.md",
    "docs/operations.md",
    "docs/performance.md",
    "docs/policy.md",
    "docs/recipes.md",
    "docs/security.md",
    "docs/sql-server.md",
    "sql/README.md",
    "tests/README.md",
    "tests/cases/README.md",
    "CHANGELOG.md",
];

/// `[text](target)`, with the target as a file of the repository.
struct Link<'p> {
    text: &'p str,
    file: PathBuf,
    fragment: &'p str,
}

fn links<'p>(name: &str, page: &'p str) -> Vec<Link<'p>> {
    let folder = root().join(name);
    let folder = folder.parent().unwrap();
    let mut links = Vec::new();
    for (at, _) in page.match_indices("](") {
        let text = page[..at].rsplit('[').next().unwrap();
        let target = page[at + 2..].split(')').next().unwrap();
        let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
        if !target.starts_with("https://") {
            let file = if file.is_empty() { root().join(name) } else { folder.join(file) };
            links.push(Link { text, file, fragment });
        }
    }
    links
}

/// The names of a page's headings, as hosting sites make them.
fn headings(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|line| line.chars().filter(kept).collect::<String>().replace(' ', "-"))
        .collect()
}

/// Whether a file has this test, or a row of this name.
fn has(file: &Path, name: &str) -> bool {
    let text = fs::read_to_string(file).unwrap();
    match name.contains(' ') {
        true => text.contains(&format!("{name:?}")),
        false => text.lines().any(|line| line.trim_start().starts_with(&format!("fn {name}("))),
    }
}

#[test]
fn each_link_of_each_page_leads_somewhere() {
    for name in PAGES {
        let page = page(name);
        for Link { file, fragment, .. } in links(name, &page) {
            assert!(file.exists(), "{name}: {}", file.display());
            let is_page = file.extension().is_some_and(|extension| extension == "md");
            if is_page && !fragment.is_empty() {
                let headings = headings(&file);
                assert!(headings.iter().any(|own| own == fragment), "{name}: #{fragment}");
            }
        }
    }
}

#[test]
fn each_test_that_a_page_names_exists() {
    for (name, least) in [("docs/security.md", 25), ("docs/operations.md", 20)] {
        let page = page(name);
        let links = links(name, &page);
        let tests = links.iter().filter_map(|link| {
            let test = link.text.strip_prefix('`')?.strip_suffix('`')?;
            let is_rust = link.file.extension().is_some_and(|extension| extension == "rs");
            is_rust.then_some((test, &link.file))
        });
        let tests: Vec<_> = tests.collect();
        assert!(tests.len() >= least, "{name} names {} tests", tests.len());
        for (test, file) in tests {
            assert!(has(file, test), "{name}: there is no `{test}` in {}", file.display());
        }
    }
}

#[test]
fn each_promise_has_its_tests() {
    let page = page("docs/security.md");
    let (_, section) = page.split_once("## Promises and their tests").unwrap();
    for number in 1..=9 {
        let row = section.lines().find(|line| line.starts_with(&format!("| {number} |")));
        let row = row.unwrap_or_else(|| panic!("promise {number} is not in the page"));
        assert!(row.contains(".rs)"), "promise {number} has no test: {row}");
    }
}
