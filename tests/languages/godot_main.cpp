// godot_main.cpp: what the guide's script does with the guide's class, which is included as guide.cpp.
#include "guide.cpp"
#include <cstdio>

static int failed(const Diffulm &diffulm)
{
    std::fprintf(stderr, "%s\n", diffulm.message().utf8().get_data());
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 3 || !godot_diffulm_init(nullptr, nullptr, nullptr))
        return 2;
    if (ClassDB::methods != std::set<std::string>{"open", "ask", "run_for", "text", "message"})
        return 3;
    Diffulm diffulm;
    if (diffulm.run_for(0) >= 0 || diffulm.text().utf8().length() || diffulm.ask(String::utf8("x")) >= 0)
        return 4; // before open: errors, no crash
    if (diffulm.open(String::utf8(argv[1])) < 0)
        return failed(diffulm);
    for (int round = 0; round < 2; round++) { // a second prompt, the second time after all was opened again
        int32_t status = diffulm.ask(String::utf8(argv[2]));
        for (int step = 1; status >= 0 && status != DIFFULM_DONE; step++) {
            status = diffulm.run_for(0);
            if (round == 0)
                std::fprintf(stderr, "step %d\n", step);
        }
        if (status < 0)
            return failed(diffulm);
        if (round == 0 && diffulm.open(String::utf8(argv[1])) < 0)
            return failed(diffulm);
    }
    std::puts(diffulm.text().utf8().get_data());
    return 0;
}
