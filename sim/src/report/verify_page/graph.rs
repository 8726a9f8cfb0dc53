//! What has to change before what, as a drawing: a box a kind of host, an arrow "before".

use super::text;
use crate::{plan::Role, report::verify_order::one, verify::Cause};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// A box, and the room between two of them and around all, in units of the drawing.
const WIDTH: f64 = 168.0;
const GAP: f64 = 44.0;
const AROUND: f64 = 12.0;
/// A line of text in a box.
const LINE: f64 = 18.0;
/// An arrow to the next box rises so high, and so much more for each box that it passes.
const RISE: (f64, f64) = (54.0, 36.0);
/// Its curve comes as far as this share of the height at which it is drawn to.
const REACHED: f64 = 0.75;

/// The constraints, as they are drawn. Their numbers are their places in the list, from 1 on.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// From left to right.
    pub nodes: Vec<Role>,
    /// First, then; and whether it is but one of several ways to avoid a cause.
    pub arrows: BTreeMap<(Role, Role, bool), Vec<usize>>,
    /// What is said of a kind of host alone.
    pub marks: BTreeMap<Role, BTreeMap<&'static str, Vec<usize>>>,
}

impl Graph {
    /// Of these causes, with the boxes in this order, and behind them those that only a cause names.
    pub fn of(causes: &[&Cause], order: &[Role]) -> Self {
        let mut graph = Self { nodes: order.to_vec(), ..Self::default() };
        for (cause, n) in causes.iter().zip(1..) {
            match cause {
                Cause::Mix { new, old } if old.is_empty() => graph.mark(new, "may not run it", n),
                Cause::Mix { new, old } if new == old => graph.mark(new, "all at once", n),
                Cause::Change { new, old } if old.is_empty() => {
                    graph.mark(new, "may not change", n);
                }
                Cause::Mix { new, old } | Cause::Change { new, old } => graph.arrow(old, new, n),
                Cause::Back(roles) => graph.mark(roles, "does not go back", n),
            }
        }
        graph
    }

    fn node(&mut self, role: Role) {
        if !self.nodes.contains(&role) {
            self.nodes.push(role);
        }
    }

    fn mark(&mut self, roles: &BTreeSet<Role>, what: &'static str, n: usize) {
        for &role in roles {
            self.node(role);
            self.marks.entry(role).or_default().entry(what).or_default().push(n);
        }
    }

    fn arrow(&mut self, first: &BTreeSet<Role>, then: &BTreeSet<Role>, n: usize) {
        let is_choice = first.len() * then.len() > 1;
        for &from in first {
            for &to in then {
                self.node(from);
                self.node(to);
                if from == to {
                    let what = "or all at once";
                    self.marks.entry(to).or_default().entry(what).or_default().push(n);
                } else {
                    self.arrows.entry((from, to, is_choice)).or_default().push(n);
                }
            }
        }
    }

    fn place(&self, role: Role) -> usize {
        self.nodes.iter().position(|of| *of == role).unwrap_or_default()
    }

    /// How many boxes further an arrow goes; less than nothing: to the left.
    fn span(&self, (from, to, _): &(Role, Role, bool)) -> isize {
        self.place(*to) as isize - self.place(*from) as isize
    }
}

fn left(at: usize) -> f64 {
    AROUND + at as f64 * (WIDTH + GAP)
}

/// How high an arrow is drawn that goes so many boxes further.
fn rise(span: usize) -> f64 {
    RISE.0 + RISE.1 * (span.max(1) - 1) as f64
}

fn numbers(all: &[usize]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Draws it. Arrows to the right go above the boxes, arrows to the left below.
pub fn graph(graph: &Graph) -> String {
    let highest = |is_of: fn(isize) -> bool| {
        let spans = graph.arrows.keys().map(|arrow| graph.span(arrow)).filter(|of| is_of(*of));
        let most = spans.map(isize::unsigned_abs).max();
        most.map_or(0.0, |span| rise(span) * REACHED + 14.0)
    };
    let lines = graph.marks.values().map(BTreeMap::len).max().unwrap_or_default();
    let height = 40.0 + LINE * lines as f64;
    let top = AROUND + highest(|span| span > 0);
    let bottom = top + height;
    let width = left(graph.nodes.len()) - GAP + AROUND;
    let whole = bottom + highest(|span| span < 0) + AROUND;
    let mut out = format!(
        "<div class=\"wide\"><svg class=\"graph\" role=\"img\" aria-label=\"{}\" \
         viewBox=\"0 0 {width:.0} {whole:.0}\" width=\"{width:.0}\" height=\"{whole:.0}\">\n",
        text(&in_words(graph))
    );
    for (at, role) in graph.nodes.iter().enumerate() {
        out += &node(graph, *role, left(at), top, height);
    }
    let ends = ends(graph);
    for (arrow, all) in &graph.arrows {
        let is_above = graph.span(arrow) > 0;
        let from = left(graph.place(arrow.0)) + ends[&(arrow.0, *arrow)];
        let to = left(graph.place(arrow.1)) + ends[&(arrow.1, *arrow)];
        let (y, up) = if is_above { (top, -1.0) } else { (bottom, 1.0) };
        let reach = y + up * rise(graph.span(arrow).unsigned_abs());
        let (tip, label) = (y + up * 8.0, y + (reach - y) * REACHED);
        let class = if arrow.2 { " choice" } else { "" };
        let (middle, said) = ((from + to) / 2.0, numbers(all));
        let half = 7.0 + 3.5 * said.len() as f64;
        let _ = writeln!(
            out,
            "<g class=\"before{class}\"><path d=\"M{from:.1} {y:.1}C{from:.1} {reach:.1} {to:.1} {reach:.1} \
             {to:.1} {tip:.1}\"/><polygon points=\"{to:.1},{y:.1} {:.1},{:.1} {:.1},{:.1}\"/>\
             <rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"18\" rx=\"9\"/>\
             <text x=\"{middle:.1}\" y=\"{:.1}\">{said}</text></g>",
            to - 5.0,
            y + up * 10.0,
            to + 5.0,
            y + up * 10.0,
            middle - half,
            label - 9.0,
            2.0 * half,
            label + 4.0
        );
    }
    out + "</svg></div>\n"
}

fn node(graph: &Graph, role: Role, x: f64, y: f64, height: f64) -> String {
    let middle = x + WIDTH / 2.0;
    let mut out = format!(
        "<g class=\"node\"><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{WIDTH:.0}\" height=\"{height:.0}\" rx=\"7\"/>\
         <text class=\"name\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>",
        y + 25.0,
        text(&one(role))
    );
    for (at, (what, all)) in graph.marks.get(&role).into_iter().flatten().enumerate() {
        let _ = write!(
            out,
            "<text class=\"mark\" x=\"{middle:.1}\" y=\"{:.1}\">{what} ({})</text>",
            y + 44.0 + LINE * at as f64,
            numbers(all)
        );
    }
    out + "</g>\n"
}

/// An end of an arrow: at which box, and which arrow.
type End = (Role, (Role, Role, bool));

/// Where arrows begin and end, from the left side of their box: so that those of one box do not cross.
fn ends(graph: &Graph) -> BTreeMap<End, f64> {
    let mut ends = BTreeMap::new();
    for &role in &graph.nodes {
        for is_above in [true, false] {
            let is_here = |arrow: &&(Role, Role, bool)| {
                (arrow.0 == role || arrow.1 == role) && (graph.span(arrow) > 0) == is_above
            };
            let mut here: Vec<_> = graph.arrows.keys().filter(is_here).collect();
            // What goes to the left is on the left, with the longest inside; and the other way about.
            here.sort_by_key(|arrow| {
                let other = if arrow.0 == role { arrow.1 } else { arrow.0 };
                let by = graph.place(other) as isize - graph.place(role) as isize;
                (by > 0, Reverse(by))
            });
            let room = WIDTH / (here.len() + 1) as f64;
            let places = here.into_iter().zip(1..);
            ends.extend(places.map(|(arrow, at)| ((role, *arrow), room * f64::from(at))));
        }
    }
    ends
}

/// The drawing for who can't see it.
fn in_words(graph: &Graph) -> String {
    let mut said: Vec<String> = Vec::new();
    for ((from, to, is_choice), all) in &graph.arrows {
        let or = if *is_choice { " (or another way)" } else { "" };
        said.push(format!("{} before {}{or}: {}", one(*from), one(*to), numbers(all)));
    }
    for (role, marks) in &graph.marks {
        for (what, all) in marks {
            said.push(format!("{} {what}: {}", one(*role), numbers(all)));
        }
    }
    said.join("; ")
}
