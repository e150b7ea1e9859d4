// The C++ header on the shipped model: test MODEL same_answer.txt.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <type_traits>

#include <diffulm.hpp>

static int failures;

#define EXPECT(condition)                                                                                               \
    do {                                                                                                                \
        if (!(condition)) {                                                                                             \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                        \
            failures++;                                                                                                 \
        }                                                                                                               \
    } while (0)

static_assert(std::is_nothrow_copy_constructible_v<diffulm::model> && std::is_nothrow_move_constructible_v<diffulm::model>);
static_assert(!std::is_copy_constructible_v<diffulm::session> && std::is_nothrow_move_constructible_v<diffulm::session>);
static_assert(!std::is_copy_constructible_v<diffulm::trainer>);

static const char *const prompts[][2] = {
    {"Write 7 in English words.", "seven"}, {"Write 42 in English words.", "forty-two"}, {"Write 19 in English words.", "nineteen"}};

static std::string answer(const diffulm::model &model, const diffulm::tokenizer &tokenizer, const diffulm::length_head &head, const char *prompt)
{
    auto o = diffulm::options<diffulm_sampler_options>();
    o.steps = 10;
    diffulm::session session(model, diffulm::sampler(nullptr, o), tokenizer);
    const size_t row = session.add_text(prompt, head);
    session.run();
    return session.text(row);
}

static void answers(const diffulm::model &model, const diffulm::tokenizer &tokenizer, const diffulm::length_head &head)
{
    std::vector<std::thread> threads;
    std::vector<std::string> got(8);
    for (size_t i = 0; i < got.size(); i++)
        threads.emplace_back([&, i, copy = model] { got[i] = answer(copy, tokenizer, head, prompts[i % 3][0]); });
    for (auto &thread : threads)
        thread.join();
    for (size_t i = 0; i < got.size(); i++)
        EXPECT(got[i] == prompts[i % 3][1]);
}

static void steps_edits_and_snapshots(const diffulm::model &model, const diffulm::tokenizer &tokenizer)
{
    diffulm::session session(model, diffulm::sampler(), tokenizer);
    const size_t row = session.add_text("Write 42 in English words.", size_t{4});
    const auto fresh = session.snapshot();
    auto canvas = session.tokens(row);
    size_t steps = 0;
    for (const auto &step : session.steps()) {
        steps++;
        for (const auto &change : step.changes)
            canvas[change.position] = change.token;
    }
    EXPECT(steps > 0 && canvas == session.tokens(row) && session.scores(row).size() == canvas.size());
    const std::string first = session.text(row);
    session.restore(fresh);
    diffulm::session moved = std::move(session);
    moved.run();
    EXPECT(moved.text(row) == first);
    const size_t end = canvas.size() - 1;
    moved.edit(row, end - 3, end);
    moved.pin(row, end - 3, canvas[end - 3]);
    moved.forbid(row, std::nullopt, canvas[end - 1]);
    moved.run();
    EXPECT(moved.tokens(row)[end - 3] == canvas[end - 3] && moved.tokens(row)[end - 1] != canvas[end - 1]);
    moved.restore(fresh);
    moved.cancel();
    try {
        moved.step();
        EXPECT(!"a cancelled step throws");
    } catch (const diffulm::error &error) {
        EXPECT(error.status() == DIFFULM_E_CANCELLED);
    }
    while (moved.run_for(std::chrono::microseconds(1)))
        ;
    EXPECT(moved.text(row) == first);
}

static void training(const diffulm::model &model, const diffulm::tokenizer &tokenizer)
{
    const auto special = tokenizer.special();
    std::vector<diffulm::training_row> rows;
    for (const auto &prompt : prompts) {
        diffulm::training_row row{{special.bos}, 0};
        for (int32_t id : tokenizer.encode(prompt[0], false).ids)
            row.tokens.push_back(id);
        row.source = row.tokens.size();
        for (int32_t id : tokenizer.encode("no such answer", false).ids)
            row.tokens.push_back(id);
        row.tokens.push_back(special.eos);
        rows.push_back(row);
    }
    auto o = diffulm::options<diffulm_trainer_options>();
    o.lr = 1e-3f;
    o.mask_id = special.mask;
    diffulm::trainer one(model, o), other(model, o);
    const double before = one.evaluate(rows).loss;
    for (int i = 0; i < 20; i++) {
        one.accumulate(rows);
        one.apply();
    }
    EXPECT(one.evaluate(rows).loss < before);
    const std::string path = "diffulm-cpp-" + std::to_string(std::hash<std::thread::id>()(std::this_thread::get_id()));
    one.save(path, "note");
    EXPECT(other.restore(path) == "note");
    std::remove(path.c_str());
    EXPECT(one.accumulate(rows).loss == other.accumulate(rows).loss);
    EXPECT(one.parameters() == model.info().parameters && one.export_model().info().parameters == one.parameters());
    o.lora_rank = 2;
    EXPECT(std::isfinite(diffulm::trainer(model, o).export_adapter().attach().logits({{0, 5, 2}})[0]));
}

// What the tests of every language expect: same_answer.txt.
static void the_same_answer(const char *folder, const diffulm::tokenizer &tokenizer, const char *path)
{
    std::ifstream file(path);
    std::string prompt;
    std::getline(file, prompt);
    const std::vector<int32_t> want{std::istream_iterator<int32_t>(file), std::istream_iterator<int32_t>()};
    auto ro = diffulm::options<diffulm_runtime_options>();
    ro.backend = DIFFULM_BACKEND_REFERENCE;
    ro.threads = 1;
    auto so = diffulm::options<diffulm_sampler_options>();
    so.steps = 6;
    so.sampling = DIFFULM_SAMPLING_CATEGORICAL;
    so.temperature = 4;
    auto o = diffulm::options<diffulm_session_options>();
    o.seed = 7;
    const diffulm::runtime runtime(ro);
    auto mo = diffulm::options<diffulm_model_options>();
    mo.runtime = runtime.get();
    const diffulm::model model(folder, mo);
    diffulm::session session(model, diffulm::sampler(nullptr, so), tokenizer, o);
    const size_t row = session.add_text(prompt, size_t{9});
    session.run();
    EXPECT(!want.empty() && session.tokens(row) == want);
}

static void errors()
{
    try {
        diffulm::model model("/nowhere");
        EXPECT(!"a folder that is not there throws");
    } catch (const diffulm::error &error) {
        EXPECT(error.status() == DIFFULM_E_IO && std::string(error.what()).find("/nowhere") != std::string::npos);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const diffulm::model model(argv[1]);
    const diffulm::tokenizer tokenizer(argv[1]);
    const diffulm::length_head head(model, argv[1]);
    answers(model, tokenizer, head);
    steps_edits_and_snapshots(model, tokenizer);
    training(model, tokenizer);
    errors();
    the_same_answer(argv[1], tokenizer, argv[2]);
    const auto encoding = tokenizer.encode("Der Hund schläft.", false);
    EXPECT(encoding.ends.back() == std::string("Der Hund schläft.").size());
    EXPECT(tokenizer.id(*tokenizer.piece(encoding.ids[0])) == encoding.ids[0] && !tokenizer.piece(-1));
    EXPECT(diffulm::runtime().describe().find("thread") != std::string::npos);
    std::printf("%d failures\n", failures);
    return failures != 0;
}
