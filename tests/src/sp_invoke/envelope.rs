//! The text of `@response` (rows 20 to 22).

use super::error::Error;
use super::media::Media;
use super::request::is_json;
use super::response::Response;

/// The envelope of a response, in the form that was accepted.
pub(super) fn wrap(response: &Response, accept: Media) -> Result<String, Error> {
    match accept {
        Media::Json | Media::Text => json(response, accept),
        Media::Xml => xml(response),
    }
}

/// `{"response":{"status":{"http":{"code":C,"description":"..."}},"headers":{...}},"result":...}`
fn json(response: &Response, accept: Media) -> Result<String, Error> {
    let result = match text(response, Error::NotJson("@result"))? {
        Some(body) if accept == Media::Text => Some(quoted(body)),
        Some(body) if is_json(body) => Some(body.trim().to_owned()),
        Some(_) => return Err(Error::NotJson("@result")),
        None => None,
    };
    let headers = response.headers.iter();
    let headers: Vec<String> =
        headers.map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
    Ok(format!(
        r#"{{"response":{{"status":{{"http":{{"code":{},"description":{}}}}},"headers":{{{}}}}}{}}}"#,
        response.status,
        quoted(&response.reason),
        headers.join(","),
        result.map(|result| format!(r#","result":{result}"#)).unwrap_or_default(),
    ))
}

/// The same in elements; the result is the body's root.
fn xml(response: &Response) -> Result<String, Error> {
    let result = match text(response, Error::NotXml("@result"))? {
        Some(body) => {
            let document = roxmltree::Document::parse(body);
            let document = document.map_err(|_| Error::NotXml("@result"))?;
            format!("<result>{}</result>", &body[document.root_element().range()])
        }
        None => String::new(),
    };
    let header = |(name, value): &(String, String)| {
        format!(r#"<header key="{}" value="{}"/>"#, escaped(name), escaped(value))
    };
    let headers: String = response.headers.iter().map(header).collect();
    Ok(format!(
        r#"<output><response><status><http code="{}" description="{}"/></status><headers>{headers}</headers></response>{result}</output>"#,
        response.status,
        escaped(&response.reason),
    ))
}

/// The body as text, if its charset is one that is read.
fn text(response: &Response, unreadable: Error) -> Result<Option<&str>, Error> {
    let charset = response.values("content-type").find_map(charset);
    if charset.is_some_and(|charset| !matches!(charset.as_str(), "utf-8" | "us-ascii")) {
        return Err(Error::UnsupportedCharset);
    }
    let Some(body) = &response.body else { return Ok(None) };
    str::from_utf8(body).map(Some).map_err(|_| unreadable)
}

fn charset(content_type: &str) -> Option<String> {
    let parameters = content_type.split(';').skip(1).filter_map(|text| text.split_once('='));
    let mut charsets =
        parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    let (_, value) = charsets.next()?;
    Some(value.trim().trim_matches('"').to_ascii_lowercase())
}

/// A JSON string with slashes escaped, as SQL Server writes them.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('/', "\\/")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
