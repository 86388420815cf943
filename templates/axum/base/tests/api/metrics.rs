//! The metrics of one moment, whoever showed them.

use std::collections::BTreeSet;

/// What one name and one set of labels had counted.
#[derive(Debug)]
pub struct Series {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

#[derive(Debug)]
pub struct Metrics(pub Vec<Series>);

impl Metrics {
    /// The sum of all series with this name and these labels, whatever other
    /// labels they have; 0 where there is none. A label that is not there is an
    /// empty one.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted = |series: &&Series| {
            let has = |(name, value): &(&str, &str)| {
                let label = series.labels.iter().find(|(label, _)| label == name);
                label.map_or("", |(_, value)| value) == *value
            };
            series.name == name && labels.iter().all(has)
        };
        self.0.iter().filter(wanted).map(|series| series.value).sum()
    }

    /// All names, but for those that a histogram has only here or only there.
    pub fn names(&self) -> BTreeSet<&str> {
        self.0.iter().map(|series| series.name.as_str()).collect()
    }

    /// All values that a label has, under whatever name.
    pub fn values(&self, label: &str) -> BTreeSet<&str> {
        let labels = self.0.iter().flat_map(|series| &series.labels);
        labels.filter(|(name, _)| name == label).map(|(_, value)| value.as_str()).collect()
    }
}
