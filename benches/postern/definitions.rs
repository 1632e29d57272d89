//! Reading a definition: text to document, document to what can be used.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use postern::connection::{definition::Definition, yaml};

use super::{LARGE, SMALL};

/// Both steps, for a small definition and for a large one.
pub(super) fn bench(criterion: &mut Criterion) {
    for (name, text) in [("small", SMALL), ("large", LARGE)] {
        let mut group = criterion.benchmark_group(format!("definition, {name}"));
        group.bench_function("read the YAML", |bencher| bencher.iter(|| yaml::parse(black_box(text)).unwrap()));
        let document = yaml::parse(text).unwrap();
        group.bench_function("check the document", |bencher| {
            bencher.iter_batched(
                || document.clone(),
                |document| Definition::from_document(document).unwrap(),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}
