// diffulm.hpp: libdiffulm for C++17, header only: handles that release themselves, exceptions with the library's message, steps as a range.
//
// Frozen handles (runtime, model, tokenizer, adapter, length_head, sampler) copy by taking a reference and may be shared by threads; session and
// trainer move only and belong to one thread at a time, save session::cancel(). Options are the C structs, made by options<T>().
#ifndef DIFFULM_HPP
#define DIFFULM_HPP

#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <diffulm/diffulm.h>

namespace diffulm {

// A failed call: what() names the file, line, key, tensor or position, and what was expected.
class error : public std::runtime_error {
public:
    error(diffulm_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
    diffulm_status status() const noexcept { return status_; } // DIFFULM_E_…

private:
    diffulm_status status_;
};

// The outcome (0 or more), or throws error.
inline diffulm_status check(diffulm_status status)
{
    if (status < 0)
        throw error(status, diffulm_error_message());
    return status;
}

// A struct of options with its defaults: auto o = options<diffulm_sampler_options>(); o.steps = 4;
template <class T> T options();
#define DIFFULM_HPP_OPTIONS(name)                                                                                       \
    template <> inline struct name options<struct name>()                                                              \
    {                                                                                                                   \
        struct name out;                                                                                                \
        name##_init(&out, sizeof out);                                                                                              \
        return out;                                                                                                     \
    }
DIFFULM_HPP_OPTIONS(diffulm_runtime_options)
DIFFULM_HPP_OPTIONS(diffulm_tokenizer_options)
DIFFULM_HPP_OPTIONS(diffulm_encode_options)
DIFFULM_HPP_OPTIONS(diffulm_model_options)
DIFFULM_HPP_OPTIONS(diffulm_sampler_options)
DIFFULM_HPP_OPTIONS(diffulm_session_options)
DIFFULM_HPP_OPTIONS(diffulm_row_options)
DIFFULM_HPP_OPTIONS(diffulm_text_options)
DIFFULM_HPP_OPTIONS(diffulm_trainer_options)
#undef DIFFULM_HPP_OPTIONS

namespace detail {

template <class T> T sized()
{
    T out;
    std::memset(&out, 0, sizeof out);
    out.struct_size = sizeof out;
    return out;
}

// What a function writes that fills (buffer, capacity, length).
template <class T, class Call> std::vector<T> filled(Call call)
{
    std::vector<T> out(256);
    size_t length = 0;
    if (check(call(out.data(), out.size(), &length)) == DIFFULM_BUFFER_TOO_SMALL) {
        out.resize(length + 1);
        check(call(out.data(), out.size(), &length));
    }
    out.resize(length);
    return out;
}

template <class Call> std::string filled_text(Call call)
{
    const std::vector<char> bytes = filled<char>(call);
    return std::string(bytes.begin(), bytes.end());
}

// A counted handle.
template <class T, T *(*Take)(T *), void (*Give)(T *)> class shared {
public:
    shared(const shared &other) noexcept : handle_(Take(other.handle_)) {}
    shared(shared &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    shared &operator=(shared other) noexcept
    {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~shared() { Give(handle_); }
    T *get() const noexcept { return handle_; } // stays this object's

protected:
    explicit shared(T *handle) noexcept : handle_(handle) {}
    template <class Call> static T *made(Call call)
    {
        T *out = nullptr;
        check(call(&out));
        return out;
    }

private:
    T *handle_;
};

// A handle with one owner.
template <class T, void (*Destroy)(T *)> class unique {
public:
    unique(const unique &) = delete;
    unique(unique &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    unique &operator=(unique &&other) noexcept
    {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~unique() { Destroy(handle_); }
    T *get() const noexcept { return handle_; }

protected:
    explicit unique(T *handle) noexcept : handle_(handle) {}

private:
    T *handle_;
};

} // namespace detail

// How the library computes.
class runtime : public detail::shared<diffulm_runtime, diffulm_runtime_ref, diffulm_runtime_unref> {
public:
    explicit runtime(const diffulm_runtime_options &o = options<diffulm_runtime_options>())
        : shared(made([&](diffulm_runtime **out) { return diffulm_runtime_create(&o, out); }))
    {
    }
    std::string describe() const
    {
        char buffer[256];
        diffulm_runtime_describe(get(), buffer, sizeof buffer);
        return buffer;
    }
};

struct encoding {
    std::vector<int32_t> ids;
    std::vector<size_t> begins, ends; // bytes of the text
};

// Text to token ids and back.
class tokenizer : public detail::shared<diffulm_tokenizer, diffulm_tokenizer_ref, diffulm_tokenizer_unref> {
public:
    explicit tokenizer(const std::string &path, const diffulm_tokenizer_options &o = options<diffulm_tokenizer_options>())
        : shared(made([&](diffulm_tokenizer **out) { return diffulm_tokenizer_open(path.c_str(), &o, out); }))
    {
    }
    // special: with the tokens that the tokenizer puts around a text.
    encoding encode(std::string_view text, bool special = true) const
    {
        auto o = options<diffulm_encode_options>();
        o.no_special = !special;
        encoding out;
        for (size_t capacity = text.size() + 8;;) {
            out.ids.resize(capacity);
            out.begins.resize(capacity);
            out.ends.resize(capacity);
            auto e = detail::sized<diffulm_encoding>();
            e.capacity = capacity;
            e.ids = out.ids.data();
            e.begins = out.begins.data();
            e.ends = out.ends.data();
            const auto rc = check(diffulm_tokenizer_encode(get(), text.data(), text.size(), nullptr, 0, &o, &e));
            capacity = e.count;
            if (rc == DIFFULM_BUFFER_TOO_SMALL)
                continue;
            out.ids.resize(capacity);
            out.begins.resize(capacity);
            out.ends.resize(capacity);
            return out;
        }
    }
    std::string decode(const std::vector<int32_t> &ids, bool skip_special = true) const
    {
        return detail::filled_text([&](char *buffer, size_t capacity, size_t *length) {
            return diffulm_tokenizer_decode(get(), ids.data(), ids.size(), skip_special, buffer, capacity, length);
        });
    }
    std::optional<std::string> piece(int32_t id) const
    {
        size_t length = 0;
        const char *text = diffulm_tokenizer_piece(get(), id, &length);
        return text ? std::optional<std::string>(std::in_place, text, length) : std::nullopt;
    }
    std::optional<int32_t> id(std::string_view piece) const
    {
        const int32_t id = diffulm_tokenizer_id(get(), piece.data(), piece.size());
        return id < 0 ? std::nullopt : std::optional<int32_t>(id);
    }
    size_t vocabulary() const noexcept { return diffulm_tokenizer_vocabulary(get()); }
    // Ids of -1: there is no such token.
    diffulm_special_ids special() const
    {
        auto out = detail::sized<diffulm_special_ids>();
        check(diffulm_tokenizer_special_ids(get(), &out));
        return out;
    }
};

// A frozen masked language model.
class model : public detail::shared<diffulm_model, diffulm_model_ref, diffulm_model_unref> {
public:
    explicit model(const std::string &folder, const diffulm_model_options &o = options<diffulm_model_options>())
        : shared(made([&](diffulm_model **out) { return diffulm_model_open(folder.c_str(), &o, out); }))
    {
    }
    // Fresh weights for the text of a config.json.
    static model create(std::string_view config, const diffulm_model_options &o = options<diffulm_model_options>())
    {
        return model(made([&](diffulm_model **out) { return diffulm_model_create(config.data(), config.size(), &o, out); }));
    }
    // Takes over a reference.
    static model adopt(diffulm_model *handle) noexcept { return model(handle); }
    diffulm_model_info info() const
    {
        auto out = detail::sized<diffulm_model_info>();
        check(diffulm_model_get_info(get(), &out));
        return out;
    }
    // [tokens, vocabulary] of rows packed end to end, under full attention.
    std::vector<float> logits(const std::vector<std::vector<int32_t>> &rows) const
    {
        std::vector<int32_t> tokens;
        std::vector<size_t> offsets{0};
        for (const auto &row : rows) {
            tokens.insert(tokens.end(), row.begin(), row.end());
            offsets.push_back(tokens.size());
        }
        auto batch = detail::sized<diffulm_batch>();
        batch.rows = rows.size();
        batch.offsets = offsets.data();
        batch.tokens = tokens.data();
        std::vector<float> out(tokens.size() * static_cast<size_t>(info().vocabulary));
        check(diffulm_model_logits(get(), &batch, nullptr, tokens.size(), out.data()));
        return out;
    }
    void save(const std::string &folder, int32_t dtype = DIFFULM_DTYPE_F32) const
    {
        check(diffulm_model_save(get(), folder.c_str(), dtype));
    }

private:
    explicit model(diffulm_model *handle) noexcept : shared(handle) {}
};

// A LoRA adapter in PEFT's format.
class adapter : public detail::shared<diffulm_adapter, diffulm_adapter_ref, diffulm_adapter_unref> {
public:
    adapter(const model &base, const std::string &folder)
        : shared(made([&](diffulm_adapter **out) { return diffulm_adapter_open(base.get(), folder.c_str(), out); }))
    {
    }
    static adapter adopt(diffulm_adapter *handle) noexcept { return adapter(handle); }
    void save(const std::string &folder) const { check(diffulm_adapter_save(get(), folder.c_str())); }
    // A model that scores with the adapter over shared weights.
    model attach() const
    {
        return model::adopt(made2([&](diffulm_model **out) { return diffulm_adapter_attach(get(), out); }));
    }
    // A model with weights of its own.
    model merge() const
    {
        return model::adopt(made2([&](diffulm_model **out) { return diffulm_adapter_merge(get(), out); }));
    }

private:
    explicit adapter(diffulm_adapter *handle) noexcept : shared(handle) {}
    template <class Call> static diffulm_model *made2(Call call)
    {
        diffulm_model *out = nullptr;
        check(call(&out));
        return out;
    }
};

// Predicts how many tokens an answer has.
class length_head : public detail::shared<diffulm_length_head, diffulm_length_head_ref, diffulm_length_head_unref> {
public:
    length_head(const model &base, const std::string &folder)
        : shared(made([&](diffulm_length_head **out) { return diffulm_length_head_open(base.get(), folder.c_str(), out); }))
    {
    }
};

// An unmasking policy with its options.
class sampler : public detail::shared<diffulm_sampler, diffulm_sampler_ref, diffulm_sampler_unref> {
public:
    explicit sampler(const char *policy = nullptr, const diffulm_sampler_options &o = options<diffulm_sampler_options>())
        : shared(made([&](diffulm_sampler **out) { return diffulm_sampler_create(policy, &o, out); }))
    {
    }
    int32_t steps() const noexcept { return diffulm_sampler_steps(get()); }
};

// One denoising step of every unfinished row. The changes are copied.
struct step {
    std::vector<diffulm_change> changes;
    size_t active_rows = 0, scored = 0;
    bool more = false;
};

// A batch of canvases.
class session : public detail::unique<diffulm_session, diffulm_session_destroy> {
public:
    // The tokenizer is needed for text; it tells the mask where the options do not.
    session(const model &m, const sampler &s, std::optional<tokenizer> t = std::nullopt,
            diffulm_session_options o = options<diffulm_session_options>())
        : unique(create(m, s, t, o)), tokenizer_(std::move(t))
    {
    }
    size_t add(const std::vector<int32_t> &tokens, const std::vector<uint8_t> &roles,
               const diffulm_row_options &o = options<diffulm_row_options>())
    {
        size_t row = 0;
        if (tokens.size() != roles.size())
            throw error(DIFFULM_E_ARGUMENT, "tokens and roles differ in number");
        check(diffulm_session_add(get(), tokens.data(), tokens.size(), roles.data(), &o, &row));
        return row;
    }
    size_t add_text(std::string_view prompt, const diffulm_text_options &o)
    {
        size_t row = 0;
        check(diffulm_session_add_text(get(), needed(), prompt.data(), prompt.size(), &o, &row));
        return row;
    }
    // An answer of so many tokens, or of as many as the head says.
    size_t add_text(std::string_view prompt, size_t length)
    {
        auto o = options<diffulm_text_options>();
        o.length = static_cast<decltype(o.length)>(length);
        return add_text(prompt, o);
    }
    size_t add_text(std::string_view prompt, const length_head &head)
    {
        auto o = options<diffulm_text_options>();
        o.length_head = head.get();
        return add_text(prompt, o);
    }
    diffulm::step step()
    {
        auto report = detail::sized<diffulm_step_report>();
        diffulm::step out;
        out.more = check(diffulm_session_step(get(), &report)) == DIFFULM_AGAIN;
        out.changes.assign(report.changes, report.changes + report.change_count);
        out.active_rows = static_cast<size_t>(report.active_rows);
        out.scored = report.scored;
        return out;
    }

    // for (const auto &step : session.steps()) …: until all rows are done.
    class range {
    public:
        struct end_mark {};
        class iterator {
        public:
            explicit iterator(session &s) : session_(&s), now_(s.step()) {}
            const diffulm::step &operator*() const noexcept { return now_; }
            iterator &operator++()
            {
                if (now_.more)
                    now_ = session_->step();
                else
                    session_ = nullptr;
                return *this;
            }
            bool operator!=(end_mark) const noexcept { return session_ != nullptr; }

        private:
            session *session_;
            diffulm::step now_;
        };
        explicit range(session &s) noexcept : session_(&s) {}
        iterator begin() const { return iterator(*session_); }
        end_mark end() const noexcept { return {}; }

    private:
        session *session_;
    };
    range steps() noexcept { return range(*this); }

    void run() { check(diffulm_session_run(get())); }
    // At least one step; whether more remain.
    bool run_for(std::chrono::microseconds time) { return check(diffulm_session_run_for(get(), time.count())) == DIFFULM_AGAIN; }
    // From any thread: the step in progress, or the next, throws with status DIFFULM_E_CANCELLED.
    void cancel() noexcept { diffulm_session_cancel(get()); }

    std::vector<int32_t> tokens(size_t row = 0) const
    {
        return detail::filled<int32_t>(
            [&](int32_t *out, size_t capacity, size_t *length) { return diffulm_session_tokens(get(), row, out, capacity, length); });
    }
    std::vector<float> scores(size_t row = 0) const
    {
        return detail::filled<float>(
            [&](float *out, size_t capacity, size_t *length) { return diffulm_session_scores(get(), row, out, capacity, length); });
    }
    // What was generated; whole: with what was given.
    std::string text(size_t row = 0, bool whole = false) const
    {
        return detail::filled_text([&](char *out, size_t capacity, size_t *length) {
            return diffulm_session_text(get(), needed(), row, whole, out, capacity, length);
        });
    }
    void edit(size_t row, size_t begin, size_t end) { check(diffulm_session_edit(get(), row, begin, end)); }
    void pin(size_t row, size_t position, int32_t token) { check(diffulm_session_pin(get(), row, position, token)); }
    void forbid(size_t row, std::optional<size_t> position, int32_t token)
    {
        check(diffulm_session_forbid(get(), row, position.value_or(SIZE_MAX), token));
    }
    std::vector<char> snapshot() const
    {
        return detail::filled<char>(
            [&](char *out, size_t capacity, size_t *length) { return diffulm_session_snapshot(get(), out, capacity, length); });
    }
    void restore(const std::vector<char> &state) { check(diffulm_session_restore(get(), state.data(), state.size())); }

private:
    static diffulm_session *create(const model &m, const sampler &s, const std::optional<tokenizer> &t, diffulm_session_options &o)
    {
        diffulm_session *out = nullptr;
        if (t && o.mask_id < 0)
            o.mask_id = t->special().mask;
        check(diffulm_session_create(m.get(), s.get(), &o, &out));
        return out;
    }
    diffulm_tokenizer *needed() const
    {
        if (!tokenizer_)
            throw error(DIFFULM_E_STATE, "this session has no tokenizer");
        return tokenizer_->get();
    }
    std::optional<tokenizer> tokenizer_;
};

// A row of tokens whose first `source` stay as they are.
struct training_row {
    std::vector<int32_t> tokens;
    size_t source = 0;
};

// Diffusive adaptation of a model.
class trainer : public detail::unique<diffulm_trainer, diffulm_trainer_destroy> {
public:
    explicit trainer(const model &m, const diffulm_trainer_options &o = options<diffulm_trainer_options>()) : unique(create(m, o)) {}
    // Adds the gradient of rows to what was accumulated.
    diffulm_trainer_report accumulate(const std::vector<training_row> &rows)
    {
        return with(rows, [&](const diffulm_rows *r, diffulm_trainer_report *out) { return diffulm_trainer_accumulate(get(), r, out); });
    }
    // One update with the mean of what was accumulated.
    diffulm_trainer_report apply()
    {
        auto out = detail::sized<diffulm_trainer_report>();
        check(diffulm_trainer_apply(get(), &out));
        return out;
    }
    // The loss without gradients or dropout.
    diffulm_trainer_report evaluate(const std::vector<training_row> &rows, uint64_t seed = 0)
    {
        return with(rows, [&](const diffulm_rows *r, diffulm_trainer_report *out) { return diffulm_trainer_evaluate(get(), r, seed, out); });
    }
    int64_t parameters() const noexcept { return diffulm_trainer_parameters(get()); }
    model export_model() const
    {
        diffulm_model *out = nullptr;
        check(diffulm_trainer_export(get(), &out));
        return model::adopt(out);
    }
    adapter export_adapter() const
    {
        diffulm_adapter *out = nullptr;
        check(diffulm_trainer_export_adapter(get(), &out));
        return adapter::adopt(out);
    }
    // A checkpoint with the caller's note: complete or absent.
    void save(const std::string &path, std::string_view note = {}) const
    {
        check(diffulm_trainer_save(get(), path.c_str(), note.data(), note.size()));
    }
    // Goes back to a checkpoint, bit for bit; its note.
    std::string restore(const std::string &path)
    {
        return detail::filled_text([&](char *out, size_t capacity, size_t *length) {
            return diffulm_trainer_restore(get(), path.c_str(), out, capacity, length);
        });
    }

private:
    static diffulm_trainer *create(const model &m, const diffulm_trainer_options &o)
    {
        diffulm_trainer *out = nullptr;
        check(diffulm_trainer_create(m.get(), &o, &out));
        return out;
    }
    template <class Call> static diffulm_trainer_report with(const std::vector<training_row> &rows, Call call)
    {
        std::vector<int32_t> tokens;
        std::vector<size_t> offsets{0}, sources;
        for (const auto &row : rows) {
            tokens.insert(tokens.end(), row.tokens.begin(), row.tokens.end());
            offsets.push_back(tokens.size());
            sources.push_back(row.source);
        }
        auto r = detail::sized<diffulm_rows>();
        r.rows = rows.size();
        r.offsets = offsets.data();
        r.tokens = tokens.data();
        r.source_lengths = sources.data();
        auto out = detail::sized<diffulm_trainer_report>();
        check(call(&r, &out));
        return out;
    }
};

} // namespace diffulm

#endif
