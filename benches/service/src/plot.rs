//! The same as a picture: the CPU time of a request beside that of the floor, a bar for each subject.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::subjects::{FLOOR, GIN, QUESTIONS, Question};
use crate::table::Outcomes;

const WIDTH: i32 = 860;
const MARGIN: i32 = 16;
const ROW: i32 = 22;
const BAR: i32 = 14;
/// Where the bars begin, and how far the longest one goes.
const LEFT: i32 = 256;
const RIGHT: i32 = WIDTH - 70;

const BY_HAND: RGBColor = RGBColor(154, 160, 166);
const GO: RGBColor = RGBColor(0, 150, 190);
const GENERATED: RGBColor = RGBColor(206, 90, 40);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws it, where the floor was measured.
pub fn draw(outcomes: &Outcomes) -> Result<Option<String>> {
    let panels: Vec<_> = QUESTIONS
        .into_iter()
        .map(|question| (question, bars(outcomes, question)))
        .filter(|(_, bars)| !bars.is_empty())
        .collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let longest = panels
        .iter()
        .flat_map(|(_, bars)| bars)
        .map(|(_, ratio)| *ratio);
    let scale = f64::from(RIGHT - LEFT) / longest.fold(1.0, f64::max);
    // A line for the name of each panel, and one that is left free.
    let rows: usize = panels.iter().map(|(_, bars)| bars.len() + 2).sum();
    let height = 2 * MARGIN + ROW * i32::try_from(rows)?;

    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (WIDTH.cast_unsigned(), height.cast_unsigned()))
        .into_drawing_area();
    area.fill(&WHITE)?;
    let mut y = MARGIN;
    for (question, bars) in panels {
        let title = format!("{question}: CPU time of a request, the floor is 1").replace('`', "");
        write(&area, &title, MARGIN, y, 18)?;
        y += ROW;
        let top = y;
        for (subject, ratio) in &bars {
            let color = match *subject {
                GIN => GO,
                name if name.starts_with(FLOOR) => BY_HAND,
                _ => GENERATED,
            };
            let end = LEFT + (ratio * scale).round() as i32;
            let corners = [(LEFT, y + 3), (end, y + 3 + BAR)];
            area.draw(&Rectangle::new(corners, color.filled()))?;
            write(&area, subject, MARGIN, y + 3, 16)?;
            write(&area, &format!("{ratio:.2}"), end + 6, y + 3, 16)?;
            y += ROW;
        }
        let floor = LEFT + scale.round() as i32;
        area.draw(&PathElement::new(
            [(floor, top), (floor, y)],
            BLACK.mix(0.4),
        ))?;
        y += ROW;
    }
    area.present()?;
    drop(area);
    Ok(Some(svg))
}

/// The subjects that were asked this, with their ratios.
fn bars(outcomes: &Outcomes, question: Question) -> Vec<(&str, f64)> {
    let ratio = |name| outcomes.ratio(name, FLOOR, question, |answer| answer.cpu);
    let names = outcomes.0.iter().map(|outcome| outcome.name.as_str());
    names
        .filter_map(|name| Some((name, ratio(name)?)))
        .collect()
}

fn write(area: &Area, text: &str, x: i32, y: i32, size: i32) -> Result<()> {
    let style = ("sans-serif", size).into_font().color(&BLACK);
    area.draw(&Text::new(text, (x, y), style))?;
    Ok(())
}
