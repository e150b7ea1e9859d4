//! On the shipped model, whose folder DIFFULM_TEST_MODEL may name.
use diffulm::*;

const PROMPTS: [(&str, &str); 3] =
    [("Write 7 in English words.", "seven"), ("Write 42 in English words.", "forty-two"), ("Write 19 in English words.", "nineteen")];

fn folder() -> String {
    std::env::var("DIFFULM_TEST_MODEL").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/mini").to_owned())
}

fn parts() -> (Model, Tokenizer, LengthHead) {
    let model = Model::open(folder()).unwrap();
    let head = LengthHead::open(&model, folder()).unwrap();
    (model, Tokenizer::open(folder()).unwrap(), head)
}

fn answer(model: &Model, tokenizer: &Tokenizer, head: &LengthHead, prompt: &str) -> Result<String> {
    let sampler = Sampler::new(None, &SamplerOptions::default().steps(10))?;
    let mut session = Session::new(model, &sampler, Some(tokenizer), &SessionOptions::default())?;
    let row = session.add_text(prompt, Length::Predicted(head))?;
    session.run()?;
    session.text(row, false)
}

#[test]
fn answers_of_the_shipped_model() {
    let (model, tokenizer, head) = parts();
    for (prompt, expected) in PROMPTS {
        assert_eq!(answer(&model, &tokenizer, &head, prompt).unwrap(), expected);
    }
}

/// What the tests of every language expect.
#[test]
fn the_answer_is_that_of_every_language() {
    let mut lines = include_str!("../../../same_answer.txt").lines();
    let prompt = lines.next().unwrap();
    let want: Vec<i32> = lines.next().unwrap().split(' ').map(|token| token.parse().unwrap()).collect();
    let runtime = Runtime::new(&RuntimeOptions::default().backend(backend::REFERENCE).threads(1)).unwrap();
    let model = Model::open_with(folder(), Some(&runtime), &ModelOptions::default()).unwrap();
    let tokenizer = Tokenizer::open(folder()).unwrap();
    let sampler = Sampler::new(None, &SamplerOptions::default().steps(6).sampling(sampling::CATEGORICAL).temperature(4.0)).unwrap();
    let mut session = Session::new(&model, &sampler, Some(&tokenizer), &SessionOptions::default().seed(7)).unwrap();
    let row = session.add_text(prompt, Length::Tokens(9)).unwrap();
    session.run().unwrap();
    assert_eq!(session.tokens(row).unwrap(), want);
}

#[test]
fn threads_share_the_frozen_handles() {
    let (model, tokenizer, head) = parts();
    std::thread::scope(|scope| {
        for (prompt, expected) in PROMPTS.iter().cycle().take(8) {
            let (model, tokenizer, head) = (model.clone(), &tokenizer, &head);
            scope.spawn(move || assert_eq!(&answer(&model, tokenizer, head, prompt).unwrap(), expected));
        }
    });
}

#[test]
fn steps_tell_every_change() {
    let (model, tokenizer, _) = parts();
    let sampler = Sampler::new(None, &SamplerOptions::default().steps(4)).unwrap();
    let mut session = Session::new(&model, &sampler, Some(&tokenizer), &SessionOptions::default()).unwrap();
    let row = session.add_text("Write 7 in English words.", Length::Tokens(5)).unwrap();
    let mut canvas = session.tokens(row).unwrap();
    for step in session.steps() {
        for change in step.unwrap().changes {
            canvas[change.position] = change.token;
        }
    }
    assert_eq!(canvas, session.tokens(row).unwrap());
    assert_eq!(session.scores(row).unwrap().len(), canvas.len());
}

#[test]
fn edit_pin_forbid_snapshot_and_infill() {
    let (model, tokenizer, _) = parts();
    let sampler = Sampler::new(None, &SamplerOptions::default().steps(6)).unwrap();
    let mut session = Session::new(&model, &sampler, Some(&tokenizer), &SessionOptions::default()).unwrap();
    let row = session.add_text("Write 42 in English words.", Length::Tokens(4)).unwrap();
    let fresh = session.snapshot().unwrap();
    session.run().unwrap();
    let first = session.text(row, false).unwrap();
    let last = session.tokens(row).unwrap();
    session.restore(&fresh).unwrap();
    session.run().unwrap();
    assert_eq!(session.text(row, false).unwrap(), first);
    let end = last.len() - 1;
    session.edit(row, end - 3..end).unwrap();
    session.pin(row, end - 3, last[end - 3]).unwrap();
    session.forbid(row, None, last[end - 1]).unwrap();
    session.run().unwrap();
    let edited = session.tokens(row).unwrap();
    assert_eq!(edited[end - 3], last[end - 3]);
    assert_ne!(edited[end - 1], last[end - 1]);
    let gap = tokenizer.piece(tokenizer.special().unwrap().mask.unwrap()).unwrap();
    let row = session.add_infill(&format!("Translate into German: The dog sleeps.\nDer {} schläft.", gap)).unwrap();
    session.run().unwrap();
    assert!(session.text(row, true).unwrap().contains("Der "));
}

#[test]
fn a_cancelled_step_fails_and_the_session_goes_on() {
    let (model, tokenizer, _) = parts();
    let sampler = Sampler::new(None, &SamplerOptions::default()).unwrap();
    let mut session = Session::new(&model, &sampler, Some(&tokenizer), &SessionOptions::default()).unwrap();
    session.add_text("Write 7 in English words.", Length::Tokens(3)).unwrap();
    let canceller = session.canceller();
    std::thread::spawn(move || canceller.cancel()).join().unwrap();
    assert_eq!(session.step().unwrap_err().status, status::CANCELLED);
    assert!(session.run_for(std::time::Duration::from_micros(1)).unwrap());
    session.run().unwrap();
}

#[test]
fn own_logits_give_the_session_s_tokens() {
    let (model, tokenizer, _) = parts();
    let sampler = Sampler::new(Some("cmlm"), &SamplerOptions::default().steps(5)).unwrap();
    let mut session = Session::new(&model, &sampler, Some(&tokenizer), &SessionOptions::default()).unwrap();
    let row = session.add_text("Write 42 in English words.", Length::Tokens(4)).unwrap();
    let mask = tokenizer.special().unwrap().mask.unwrap();
    let canvas = session.tokens(row).unwrap();
    let generated: Vec<bool> = canvas.iter().map(|&t| t == mask).collect();
    let mut own = Row::new(&sampler, &canvas, &generated, mask, 0).unwrap();
    let vocabulary = tokenizer.vocabulary();
    for k in 1..=sampler.steps() {
        assert!(!own.needs(k).unwrap().is_empty() || k > 1);
        let logits = model.logits(&[&own.tokens]).unwrap();
        own.step(k, &logits, vocabulary).unwrap();
    }
    session.run().unwrap();
    assert_eq!(own.tokens, session.tokens(row).unwrap());
}

#[test]
fn training_lowers_the_loss_and_checkpoints_go_on_bit_for_bit() {
    let (model, tokenizer, _) = parts();
    let special = tokenizer.special().unwrap();
    let rows: Vec<(Vec<i32>, usize)> = PROMPTS
        .iter()
        .map(|(source, target)| {
            let mut row = vec![special.bos.unwrap()];
            row.extend(tokenizer.encode(source, false).unwrap().ids);
            let length = row.len();
            row.extend(tokenizer.encode(&target.to_uppercase(), false).unwrap().ids);
            row.push(special.eos.unwrap());
            (row, length)
        })
        .collect();
    let rows: Vec<TrainingRow> = rows.iter().map(|(tokens, source)| TrainingRow { tokens, source: *source }).collect();
    let options = TrainerOptions::default().lr(1e-3).seed(1).mask_id(special.mask.unwrap());
    let (mut one, mut other) = (Trainer::new(&model, &options).unwrap(), Trainer::new(&model, &options).unwrap());
    let before = one.evaluate(&rows, 7).unwrap().loss;
    for _ in 0..20 {
        one.accumulate(&rows).unwrap();
        one.apply().unwrap();
    }
    assert!(one.evaluate(&rows, 7).unwrap().loss < before);
    let path = std::env::temp_dir().join(format!("diffulm-rust-{}", std::process::id()));
    one.save(&path, b"note").unwrap();
    assert_eq!(other.restore(&path).unwrap(), b"note");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(one.accumulate(&rows).unwrap(), other.accumulate(&rows).unwrap());
    assert_eq!(one.parameters(), model.info().unwrap().parameters);
    assert_eq!(one.export().unwrap().info().unwrap().parameters, one.parameters());
    let adapters = TrainerOptions::default().lora_rank(2).lora_targets("all-linear").mask_id(special.mask.unwrap());
    let adapted = Trainer::new(&model, &adapters).unwrap();
    assert!(adapted.parameters() < one.parameters());
    assert!(adapted.export_adapter().unwrap().attach().unwrap().logits(&[&[0, 5, 2]]).is_ok());
}

#[test]
fn errors_carry_status_and_message() {
    let error = Model::open("/nowhere").err().unwrap();
    assert_eq!(error.status, status::IO);
    assert!(error.to_string().contains("/nowhere"), "{}", error);
    assert_eq!(Model::open("a\0b").err().unwrap().status, status::ARGUMENT);
    let runtime = Runtime::new(&RuntimeOptions::default().backend(backend::REFERENCE).threads(1)).unwrap();
    assert!(runtime.describe().contains("1 thread"), "{}", runtime.describe());
    let error = Sampler::new(Some("nonsense"), &SamplerOptions::default()).err().unwrap();
    assert!(error.message.contains("nonsense"));
}

#[test]
fn text_goes_to_tokens_and_back_with_its_bytes() {
    let tokenizer = Tokenizer::open(folder()).unwrap();
    let text = "Der Hund schläft.";
    let encoding = tokenizer.encode(text, false).unwrap();
    assert_eq!(tokenizer.decode(&encoding.ids, true).unwrap().trim(), text);
    assert_eq!(*encoding.ends.last().unwrap(), text.len());
    assert_eq!(tokenizer.id(&tokenizer.piece(encoding.ids[0]).unwrap()), Some(encoding.ids[0]));
    assert_eq!(tokenizer.piece(-1), None);
}
