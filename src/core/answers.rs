//! What was asked and answered.

use crate::core::names::{ProjectName, ResourceName};

/// The name of every project that is made only to be resolved, measured or verified.
pub const SAMPLE: &str = "things-api";

/// The answers that a rendering starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// The project's name.
    pub name: ProjectName,
    /// Each choice with an option that was chosen, in the preset's order. A choice of many stands here once for each of
    /// them, a text not at all.
    pub options: Vec<(String, String)>,
    /// Each choice whose answer is a text, and that text. It is never trusted, so templates quote it.
    pub texts: Vec<(String, String)>,
    /// The things that the service serves.
    pub resources: Vec<ResourceName>,
}

impl Answers {
    /// Each choice with an option that was chosen.
    pub fn chosen(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options
            .iter()
            .map(|(choice, option)| (choice.as_str(), option.as_str()))
    }
}
