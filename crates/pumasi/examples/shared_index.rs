//! Several processes build one index of words, in which anybody can search meanwhile. One of them
//! is killed on the way: what it had entered stays, and whoever waits for the end is told, and
//! enters the rest.

use pumasi::containers::Joined;
use pumasi::{DefaultDict, Queue, Set};

/// Where each word occurs: the numbers of the texts.
type Index = DefaultDict<String, Set<usize>>;

const TEXTS: [&str; 6] = [
    "rice is sown in spring",
    "rice and barley are cut in autumn",
    "barley is sown in autumn",
    "neighbours sow rice in turns",
    "beans are picked in summer",
    "in winter rope is made of rice straw",
];

/// Takes texts until there are none, and enters their words.
#[pumasi::task]
fn read(texts: Queue<usize>, index: Index) -> pumasi::Result<usize> {
    let mut entered = 0;
    while let Some(n) = texts.try_get()? {
        enter(n, &index)?;
        texts.task_done()?;
        entered += 1;
    }
    Ok(entered)
}

/// Enters the first words of a text, and comes no further.
#[pumasi::task]
fn stumble(texts: Queue<usize>, index: Index) -> pumasi::Result<()> {
    let n = texts.get()?;
    for word in TEXTS[n].split(' ').take(2) {
        index.get(word)?.insert(n)?;
    }
    std::process::abort()
}

/// A text that is entered twice is there once: so the work of one who died can be done again.
fn enter(n: usize, index: &Index) -> pumasi::Result<()> {
    for word in TEXTS[n].split(' ') {
        index.get(word)?.insert(n)?;
    }
    Ok(())
}

/// The texts with all of these words.
fn search(index: &Index, words: &[&str]) -> pumasi::Result<Vec<usize>> {
    let mut found: Vec<usize> = (0..TEXTS.len()).collect();
    for word in words {
        // `find` makes no entry for a word that is nowhere.
        let with_it = index
            .find(*word)?
            .map_or(Ok(Vec::new()), |set| set.to_vec())?;
        found.retain(|n| with_it.contains(n));
    }
    Ok(found)
}

#[pumasi::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let index = Index::new()?;
    let texts = Queue::builder().counts_tasks(true).create()?;
    texts.put_many(0..TEXTS.len())?;

    let unlucky = stumble::spawn(texts.clone(), index.clone())?;
    println!("the first reader: {}", unlucky.join().unwrap_err());
    println!(
        "two words of its text are found: {:?}",
        search(&index, &["rice", "is"])?
    );

    let readers = [
        read::spawn(texts.clone(), index.clone())?,
        read::spawn(texts.clone(), index.clone())?,
    ];
    for reader in readers {
        reader.join()??;
    }
    // The unlucky one had text 0 in its hands. Whoever counts the tasks is told, and sees to it.
    if let Joined::Died(death) = texts.join()? {
        println!("process {} died with a text in its hands", death.pid);
        enter(0, &index)?;
    }

    println!("rice in {:?}", search(&index, &["rice"])?);
    println!(
        "rice and autumn in {:?}",
        search(&index, &["rice", "autumn"])?
    );
    assert_eq!(search(&index, &["rice"])?, [0, 1, 3, 5]);
    assert_eq!(search(&index, &["rice", "autumn"])?, [1]);
    assert_eq!(search(&index, &["rice", "wheat"])?, [0; 0]);
    assert!(!index.contains_key("wheat")?, "a search enters nothing");
    Ok(())
}
