//! Work on many things at once that ends the same every time: of several errors, the first in order is given, not the first in time.

use rayon::prelude::*;

use crate::error::Result;

/// All results in order. Errors with the first error in order.
pub(crate) fn in_order<T: Send>(each: impl IndexedParallelIterator<Item = Result<T>>) -> Result<Vec<T>> {
    each.collect::<Vec<Result<T>>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::Error;

    #[test]
    fn of_several_errors_the_first_in_order_is_given() {
        let slow_first = |i: usize| {
            if i == 1 {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            if i == 0 { Ok(i) } else { Err(Error::internal(i.to_string())) }
        };
        let error = in_order((0..64).into_par_iter().map(slow_first)).unwrap_err();
        assert_eq!(error.to_string(), Error::internal("1").to_string());
        assert_eq!(in_order((0..3usize).into_par_iter().map(Ok)).unwrap(), [0, 1, 2]);
    }
}
