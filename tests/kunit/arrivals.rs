// SPDX-License-Identifier: GPL-2.0

//! The list in the order of arrival.

use crate::arrivals::{Arrivals, Place};
use kernel::prelude::*;

/// A list with the numbers below `count`, and their places.
fn numbers(count: u32) -> Result<(Arrivals<u32>, KVec<Place>)> {
    let (mut order, mut places) = (Arrivals::new(), KVec::new());
    for number in 0..count {
        places.push(order.push(number)?, GFP_KERNEL)?;
    }
    Ok((order, places))
}

#[kunit_tests(luo_flb_arrivals)]
mod suite {
    use super::*;

    #[test]
    fn order_of_arrival() -> Result {
        let (mut order, places) = numbers(100)?;
        assert!(order.iter().copied().eq(0..100));
        assert!(order.iter().rev().copied().eq((0..100).rev()));
        assert!(order.iter_mut().all(|number| *number < 100));
        for (number, place) in (0..).zip(&places) {
            assert!(order.get_mut(*place).is_some_and(|found| *found == number));
        }
        Ok(())
    }

    #[test]
    fn places_stay_when_others_go() -> Result {
        // Steps that close gaps at different times.
        for step in 2..9 {
            let (mut order, places) = numbers(200)?;
            for (number, place) in (0..).zip(&places) {
                if number % step != 0 {
                    assert_eq!(order.remove(*place), Some(number));
                    assert_eq!(order.remove(*place), None);
                }
            }
            let rest = || (0..200).filter(|number| number % step == 0);
            assert!(order.iter().copied().eq(rest()));
            for number in 0..200 {
                let found = order.get_mut(places[number as usize]).copied();
                assert_eq!(found, (number % step == 0).then_some(number));
            }
        }
        Ok(())
    }

    #[test]
    fn room_of_what_went_is_used_again() -> Result {
        let (mut order, places) = numbers(1000)?;
        for place in &places[..999] {
            order.remove(*place);
        }
        assert!(order.len() < 3);
        assert!(order.iter().copied().eq([999]));
        order.remove(places[999]);
        assert_eq!(order.len(), 0);
        Ok(())
    }

    #[test]
    fn last_goes_and_comes() -> Result {
        let (mut order, places) = numbers(3)?;
        order.remove(places[1]);
        order.remove(places[2]);
        assert_eq!(order.len(), 1);
        let place = order.push(7)?;
        // A new one does not get the place of an old one.
        assert!(places.iter().all(|other| *other != place));
        assert!(order.iter().copied().eq([0, 7]));
        Ok(())
    }

    #[test]
    fn no_place_is_used_again() -> Result {
        let (mut order, places) = numbers(3)?;
        order.remove(places[0]);
        // The gaps are closed.
        order.remove(places[1]);
        assert_eq!(order.len(), 1);
        let mut expected = KVec::new();
        expected.push((2, places[2]), GFP_KERNEL)?;
        for number in 3..6 {
            expected.push((number, order.push(number)?), GFP_KERNEL)?;
        }
        assert!(expected.windows(2).all(|pair| pair[0].1 < pair[1].1));
        assert!(order.iter().copied().eq(2..6));
        for (number, place) in &expected {
            assert!(order.get_mut(*place).is_some_and(|found| found == number));
        }
        Ok(())
    }

    #[test]
    fn gaps_that_were_closed_do_not_count() -> Result {
        let (mut order, places) = numbers(8)?;
        for place in &places[..5] {
            order.remove(*place);
        }
        assert_eq!(order.len(), 3);
        // One gap is not most of three.
        order.remove(places[5]);
        assert_eq!(order.len(), 3);
        order.remove(places[6]);
        assert_eq!(order.len(), 1);
        assert!(order.iter().copied().eq([7]));
        Ok(())
    }

    #[test]
    fn only_some_are_kept() -> Result {
        let (mut order, places) = numbers(10)?;
        order.remove(places[4]);
        order.retain(|number| *number % 2 == 0);
        assert!(order.iter().copied().eq([0, 2, 6, 8]));
        assert_eq!(order.remove(places[6]), Some(6));
        assert_eq!(order.remove(places[5]), None);
        assert!(order.iter().copied().eq([0, 2, 8]));
        Ok(())
    }
}
