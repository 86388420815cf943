//! The merge of a text that both sides changed, line by line.
//!
//! No algorithm that compares lines is right in all that it calls clean: lines that are alike may be paired wrongly. So a
//! result is clean only if the way back holds, too: with theirs taken out of it again, it is ours.

use similar::{Algorithm, MergeRegion, MergeResolution, TextMerge};

use crate::core::merge::keys;
use crate::core::plan::Piece;

/// What became of a text that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// Both sides' changes go together.
    Clean(String),
    /// They don't, in some pieces.
    Conflict(Vec<Piece>),
}

/// The merge of a file, which for `Cargo.toml` has to be right by its keys as well.
pub fn merge_checked(path: &str, base: &str, ours: &str, theirs: &str) -> Merged {
    let merged = merge(base, ours, theirs);
    if path.rsplit('/').next() != Some("Cargo.toml") {
        return merged;
    }
    match (keys::merge(base, ours, theirs), merged) {
        // The lines carry comments, the keys don't.
        (Some(by_keys), Merged::Clean(text)) if keys::are_equal(&by_keys, &text) => {
            Merged::Clean(text)
        }
        (Some(by_keys), _) => Merged::Clean(by_keys),
        (None, Merged::Clean(_)) => Merged::Conflict(vec![whole(base, ours, theirs)]),
        (None, conflict) => conflict,
    }
}

/// The merge of a text.
pub fn merge(base: &str, ours: &str, theirs: &str) -> Merged {
    let merge = text_merge(base, ours, theirs);
    if merge.is_conflicted() {
        return Merged::Conflict(pieces(&merge));
    }
    let result = text(&merge, |resolution| match resolution {
        MergeResolution::Theirs => Side::Theirs,
        _ => Side::Ours,
    });
    // What both sides changed alike belongs to neither of them on the way back.
    let folded = text(&merge, |resolution| match resolution {
        MergeResolution::Both => Side::Ours,
        _ => Side::Base,
    });
    let back = text_merge(theirs, &result, &folded);
    let back_is_ours = !back.is_conflicted() && {
        let back = text(&back, |resolution| match resolution {
            MergeResolution::Theirs => Side::Theirs,
            _ => Side::Ours,
        });
        back == ours
    };
    match back_is_ours {
        true => Merged::Clean(result),
        false => Merged::Conflict(vec![whole(base, ours, theirs)]),
    }
}

/// A text as one piece that both sides changed.
pub fn whole(base: &str, ours: &str, theirs: &str) -> Piece {
    Piece::Both {
        base: base.to_owned(),
        ours: ours.to_owned(),
        theirs: theirs.to_owned(),
    }
}

/// The text with the line ends of Unix, if all of its lines have those of Windows.
pub fn without_returns(text: &str) -> Option<String> {
    let ends = text.matches('\n').count();
    let is_windows = ends > 0 && text.matches("\r\n").count() == ends;
    is_windows.then(|| text.replace("\r\n", "\n"))
}

type Merge<'b, 'o, 't> = TextMerge<'b, 'o, 't, str>;

#[derive(Clone, Copy)]
enum Side {
    Base,
    Ours,
    Theirs,
}

fn text_merge<'b, 'o, 't>(base: &'b str, ours: &'o str, theirs: &'t str) -> Merge<'b, 'o, 't> {
    TextMerge::configure()
        .algorithm(Algorithm::Histogram)
        .merge_lines(base, ours, theirs)
}

/// The lines of a region as one side has them.
fn lines(merge: &Merge, region: &MergeRegion, side: Side) -> String {
    let line = |index: usize| match side {
        Side::Base => merge.base_line(index),
        Side::Ours => merge.ours_line(index),
        Side::Theirs => merge.theirs_line(index),
    };
    let range = match side {
        Side::Base => region.base_range(),
        Side::Ours => region.ours_range(),
        Side::Theirs => region.theirs_range(),
    };
    range.filter_map(line).collect()
}

/// The whole text, of each region the side that is chosen for it.
fn text(merge: &Merge, side: impl Fn(MergeResolution) -> Side) -> String {
    let regions = merge.regions().iter();
    regions
        .map(|region| lines(merge, region, side(region.resolution())))
        .collect()
}

fn pieces(merge: &Merge) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for region in merge.regions() {
        let side = |side| lines(merge, region, side);
        let clean = match region.resolution() {
            MergeResolution::Conflict => {
                pieces.push(Piece::Both {
                    base: side(Side::Base),
                    ours: side(Side::Ours),
                    theirs: side(Side::Theirs),
                });
                continue;
            }
            MergeResolution::Theirs => side(Side::Theirs),
            _ => side(Side::Ours),
        };
        match pieces.last_mut() {
            Some(Piece::Clean(lines)) => lines.push_str(&clean),
            _ => pieces.push(Piece::Clean(clean)),
        }
    }
    pieces
}
