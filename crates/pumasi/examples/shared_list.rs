//! One list, four processes: each appends, and nothing is lost.

use pumasi::List;

#[pumasi::task]
fn append(list: List<(u32, u32)>, who: u32) -> pumasi::Result<()> {
    for i in 0..10 {
        list.push((who, i))?;
    }
    Ok(())
}

#[pumasi::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let list = List::new()?;
    let children: Vec<_> = (0..4)
        .map(|who| append::spawn(list.clone(), who))
        .collect::<Result<_, _>>()?;
    for child in children {
        child.join()??;
    }
    println!("{} pairs, the last is {:?}", list.len()?, list.last()?);
    assert_eq!(list.len()?, 40);

    // The order among the processes is chance; within one it is the order of its appends.
    for who in 0..4 {
        let mine = list.to_vec()?.into_iter().filter(|pair| pair.0 == who);
        assert!(mine.map(|pair| pair.1).eq(0..10));
    }
    Ok(())
}
