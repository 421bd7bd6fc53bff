//! Drawing: both axes by powers of ten, a line for each contestant, ours in red.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use super::{Curve, Line};

const SIZE: (u32, u32) = (800, 480);

/// Ours, then the peers.
const COLOURS: [RGBColor; 5] = [
    RGBColor(214, 39, 40),
    RGBColor(31, 119, 180),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(127, 127, 127),
];

pub(super) fn draw(
    curve: &Curve,
    lines: &[Line],
    file: &Path,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let all = || lines.iter().flat_map(|line| &line.points);
    let widest = all().map(|point| point.0).fold(1.0, f64::max);
    let lowest = all().map(|point| point.1).fold(f64::MAX, f64::min);
    let highest = all().map(|point| point.1).fold(0.0, f64::max);
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(curve.title, ("sans-serif", 18))
        .margin(16)
        .margin_right(32)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (1.0..widest).log_scale(),
            (decade_below(lowest)..decade_below(highest) * 10.0).log_scale(),
        )?;
    let [x, y] = curve.axes;
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .x_label_formatter(&rounded)
        .y_label_formatter(&rounded)
        .label_style(("sans-serif", 14))
        .light_line_style(RGBColor(240, 240, 240))
        .draw()?;
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points = LineSeries::new(line.points.iter().copied(), colour.stroke_width(2));
        chart
            .draw_series(points.point_size(3))?
            .label(line.name)
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(legend_beside(lines))
        .background_style(WHITE)
        .border_style(BLACK)
        .label_font(("sans-serif", 14))
        .draw()?;
    area.present()?;
    Ok(())
}

/// Powers of ten, in words where they are long.
fn rounded(value: &f64) -> String {
    match *value {
        millions if millions >= 1e6 => format!("{} M", millions / 1e6),
        thousands if thousands >= 1e4 => format!("{} k", thousands / 1e3),
        few => format!("{few}"),
    }
}

/// The upper corner on the side on which the lines are lower.
fn legend_beside(lines: &[Line]) -> SeriesLabelPosition {
    let ends = lines
        .iter()
        .filter_map(|line| Some((line.points.first()?.1, line.points.last()?.1)));
    let (first, last) = ends.fold((0.0_f64, 0.0_f64), |most, end| {
        (most.0.max(end.0), most.1.max(end.1))
    });
    if first < last {
        SeriesLabelPosition::UpperLeft
    } else {
        SeriesLabelPosition::UpperRight
    }
}

fn decade_below(value: f64) -> f64 {
    10_f64.powf(value.log10().floor())
}
