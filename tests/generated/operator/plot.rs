//! What a dashboard shows of a time, as a picture: a small chart for each panel with lines, in the order of the
//! dashboard, with what was done below each of them.

use std::fmt::Write;

use super::dashboard::{Panel, Query};
use crate::prometheus::Series;

/// Something that was done, and when.
pub struct Mark {
    pub name: &'static str,
    pub from: f64,
    pub to: f64,
}

const COLUMNS: usize = 3;
const MARGIN: f64 = 16.0;
/// A chart with its title and its legend.
const WIDTH: f64 = 356.0;
const HEIGHT: f64 = 210.0;
const GAP: f64 = 16.0;
/// Where the lines are in it.
const LEFT: f64 = 48.0;
const TOP: f64 = 34.0;
const LINES: f64 = 96.0;
const LEGEND: f64 = 15.0;
/// The lines that a legend names: those that go highest.
const NAMED: usize = 4;
/// The letters that fit into a legend's line.
const LETTERS: usize = 52;

/// Readable where a page is light, and where it is dark. Colors are those of Okabe and Ito, which the colorblind can tell
/// apart, and darker or lighter ones where they would not stand out.
const STYLE: &str = "\
text { font: 12px sans-serif; fill: #1f2328; }
.title { font-weight: bold; font-size: 13px; }
.small { font-size: 11px; fill: #59636e; }
.left { text-anchor: end; }
.ground { fill: #ffffff; }
.axis { stroke: #8c959f; stroke-width: 1; fill: none; }
.mark { fill: #d1242f; fill-opacity: 0.13; }
.letter { font-size: 11px; fill: #b3202b; text-anchor: middle; }
.line { stroke-width: 1.6; fill: none; stroke-linejoin: round; }
.l0 { stroke: #0072b2; } .l1 { stroke: #c4500a; } .l2 { stroke: #007d5a; } .l3 { stroke: #a8467f; }
.l4 { stroke: #8c959f; stroke-width: 1; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.small { fill: #9198a1; }
.ground { fill: #0d1117; }
.mark { fill: #ff7b72; fill-opacity: 0.2; }
.letter { fill: #ff938a; }
.l0 { stroke: #58b5f0; } .l1 { stroke: #f0883e; } .l2 { stroke: #3fcf9a; } .l3 { stroke: #e38ac0; }
}
";

/// Draws it, with the series that `data` has for each query.
pub fn draw(
    panels: &[Panel],
    data: impl Fn(&str) -> Vec<Series>,
    from: f64,
    to: f64,
    marks: &[Mark],
) -> String {
    let has_lines = |panel: &&Panel| ["timeseries", "state-timeline"].contains(&&*panel.kind);
    let panels: Vec<_> = panels.iter().filter(has_lines).collect();
    let rows = panels.len().div_ceil(COLUMNS);
    let width = 2.0 * MARGIN + COLUMNS as f64 * (WIDTH + GAP) - GAP;
    let key = MARGIN + rows as f64 * (HEIGHT + GAP);
    let height = key + LEGEND * marks.len().div_ceil(2) as f64 + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\">\n<style>\n{STYLE}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n"
    );
    for (number, panel) in panels.into_iter().enumerate() {
        let (row, column) = (number / COLUMNS, number % COLUMNS);
        let x = MARGIN + column as f64 * (WIDTH + GAP);
        let y = MARGIN + row as f64 * (HEIGHT + GAP);
        writeln!(svg, "<g transform=\"translate({x} {y})\">").unwrap();
        let chart = Chart {
            from,
            to,
            lines: lines(panel, &data),
            unit: &panel.unit,
        };
        chart.draw(&mut svg, &panel.title, marks);
        svg.push_str("</g>\n");
    }
    for (number, (mark, letter)) in marks.iter().zip('A'..).enumerate() {
        let x = MARGIN + (number % 2) as f64 * width / 2.0;
        let y = key + (number / 2) as f64 * LEGEND + 8.0;
        let (name, after) = (mark.name, mark.from - from);
        let words = format!("{letter}: {name} (after {after:.0} s)");
        text(&mut svg, "small", x, y, &words);
    }
    svg.push_str("</svg>\n");
    svg
}

/// A name and its points.
type Line = (String, Vec<(f64, f64)>);

/// Those of a panel, the highest ones first.
fn lines(panel: &Panel, data: impl Fn(&str) -> Vec<Series>) -> Vec<Line> {
    let of_query = |query: &Query| {
        let line = |series: Series| (legend(&query.legend, &series), series.values);
        data(&query.expression)
            .into_iter()
            .map(line)
            .collect::<Vec<_>>()
    };
    let mut lines: Vec<Line> = panel.queries.iter().flat_map(of_query).collect();
    lines.sort_by(|one, other| highest(&other.1).total_cmp(&highest(&one.1)));
    lines
}

fn highest(points: &[(f64, f64)]) -> f64 {
    points.iter().map(|(_, value)| *value).fold(0.0, f64::max)
}

/// The name of a line, with the labels that it has in double braces.
fn legend(format: &str, series: &Series) -> String {
    let mut parts = format.split("{{");
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (label, rest) = part.split_once("}}").expect("braces that close");
        name.push_str(series.labels.get(label).map_or("", String::as_str));
        name.push_str(rest);
    }
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Chart<'a> {
    from: f64,
    to: f64,
    lines: Vec<Line>,
    unit: &'a str,
}

impl Chart<'_> {
    fn draw(&self, svg: &mut String, title: &str, marks: &[Mark]) {
        let highest = self.lines.iter().map(|(_, points)| highest(points));
        let top = round_up(highest.fold(0.0, f64::max));
        let x = |time: f64| LEFT + (time - self.from) / (self.to - self.from) * (WIDTH - LEFT);
        let y = |value: f64| TOP + LINES * (1.0 - (value / top).clamp(0.0, 1.0));
        let unit = match self.unit {
            "reqps" => ", requests a second",
            "ops" => ", calls a second",
            "s" => ", seconds",
            "percentunit" => ", share",
            _ => "",
        };
        text(svg, "title", 0.0, 12.0, &format!("{title}{unit}"));
        for (mark, letter) in marks.iter().zip('A'..) {
            let (left, right) = (x(mark.from), x(mark.to));
            let width = (right - left).max(2.0);
            writeln!(
                svg,
                "<rect class=\"mark\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{LINES}\"/>"
            )
            .unwrap();
            let middle = left + width / 2.0;
            text(svg, "letter", middle, TOP - 3.0, &letter.to_string());
        }
        let bottom = TOP + LINES;
        writeln!(
            svg,
            "<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{WIDTH}\"/>"
        )
        .unwrap();
        text(svg, "small left", LEFT - 6.0, TOP + 9.0, &top.to_string());
        text(svg, "small left", LEFT - 6.0, bottom, "0");
        let end = format!("{:.0} s", self.to - self.from);
        text(svg, "small", LEFT, bottom + 13.0, "0");
        text(svg, "small left", WIDTH, bottom + 13.0, &end);
        // The highest ones are drawn last, above the others.
        for (number, (_, points)) in self.lines.iter().enumerate().rev() {
            let mut path = String::new();
            for (at, (time, value)) in points.iter().enumerate() {
                let is_near = |other: Option<&(f64, f64)>| {
                    other.is_some_and(|(other, _)| (time - other).abs() < 1.5)
                };
                let is_level = |other: Option<&(f64, f64)>| {
                    is_near(other) && other.is_some_and(|(_, other)| other == value)
                };
                let (before, after) = (at.checked_sub(1).map(|at| &points[at]), points.get(at + 1));
                // In the midst of a level line a point says nothing; where nothing was before, the line has a gap.
                if is_level(before) && is_level(after) {
                    continue;
                }
                let word = if is_near(before) { 'L' } else { 'M' };
                write!(path, "{word}{:.1} {:.1}", x(*time), y(*value)).unwrap();
            }
            let color = number.min(NAMED);
            writeln!(svg, "<path class=\"line l{color}\" d=\"{path}\"/>").unwrap();
        }
        let names = self.lines.iter().filter(|(name, _)| !name.is_empty());
        for (number, (name, _)) in names.take(NAMED).enumerate() {
            let y = bottom + 28.0 + LEGEND * number as f64;
            let middle = y - 4.0;
            writeln!(
                svg,
                "<path class=\"line l{number}\" d=\"M{LEFT} {middle}h14\"/>"
            )
            .unwrap();
            let mut words: String = name.chars().take(LETTERS).collect();
            let more = self.lines.len().saturating_sub(NAMED);
            if number + 1 == NAMED && more > 0 {
                write!(words, ", and {more} more").unwrap();
            }
            text(svg, "small", LEFT + 20.0, y, &words);
        }
    }
}

/// The next number that reads well.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let step = steps.iter().find(|step| **step * power >= value * 0.999);
    let round = step.unwrap_or(&10.0) * power;
    // Without what floating point adds.
    format!("{round:.4}").parse().unwrap()
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let words = words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>"
    )
    .unwrap();
}
