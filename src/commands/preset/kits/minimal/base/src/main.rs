//! Greets the world.

mod greeting;

fn main() {
    println!("{}", greeting::to("world"));
}

#[cfg(test)]
mod tests {
    use super::greeting;

    #[test]
    fn a_greeting_says_whom_it_is_for() {
        assert!(greeting::to("Ann").contains("Ann"));
    }
}
