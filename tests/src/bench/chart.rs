//! The added CPU of each contestant, as a picture for the README.

use std::fmt::Write;

use super::report::{Report, Spread};

const WIDTH: f64 = 720.0;
const LABELS: f64 = 130.0;
const ROW: f64 = 26.0;

/// An SVG that is legible on a light page and on a dark one.
pub fn draw(report: &Report) -> String {
    let rows: Vec<(&str, Spread)> =
        report.rows.iter().skip(1).map(|row| (row.name, report.added(row))).collect();
    let longest = rows.iter().map(|(_, added)| added.high).fold(1.0, f64::max);
    let scale = (WIDTH - LABELS - 70.0) / longest;
    let height = ROW * (rows.len() as f64 + 1.5);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\" fill=\"#888\">\n\
         <text x=\"0\" y=\"16\">CPU of Envoy for one request, on top of one that only forwards (µs)</text>\n"
    );
    for (n, (name, Spread { median, low, high })) in rows.iter().enumerate() {
        let y = ROW * (n as f64 + 1.2);
        let middle = y + ROW * 0.35;
        let color = if name.starts_with("keyhole") { "#2f7ed8" } else { "#b0b0b0" };
        let length = (median * scale).max(0.0);
        let [low, high] = [low, high].map(|end| LABELS + (end * scale).max(0.0));
        // Writing to a string does not fail.
        let _ = write!(
            svg,
            "<text x=\"0\" y=\"{:.1}\">{name}</text>\n\
             <rect x=\"{LABELS}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{:.1}\" fill=\"{color}\"/>\n\
             <path d=\"M{low:.1} {middle:.1}H{high:.1}\" stroke=\"#555\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\">{median:.1}</text>\n",
            middle + 4.0,
            ROW * 0.7,
            high + 6.0,
            middle + 4.0,
        );
    }
    svg + "</svg>\n"
}
