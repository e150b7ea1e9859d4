// godot_stand_ins.hpp: as much of godot-cpp's names as the guide in docs/languages.md uses, over the standard library, so that the
// guide's class can be compiled and run without Godot.
#pragma once
#include <cassert>
#include <cstdint>
#include <set>
#include <string>

namespace godot {

struct CharString {
    std::string bytes;
    const char *get_data() const { return bytes.c_str(); }
    int64_t length() const { return static_cast<int64_t>(bytes.size()); }
};

class String {
    std::string bytes;

public:
    static String utf8(const char *text)
    {
        String string;
        string.bytes = text;
        return string;
    }
    CharString utf8() const { return {bytes}; }
};

class RefCounted {};

struct Method {
    std::string name;
    size_t arguments;
};

template <typename... Arguments> Method D_METHOD(const char *name, Arguments... arguments)
{
    return {name, sizeof...(arguments)};
}

class ClassDB {
public:
    static inline std::set<std::string> methods;
    template <typename Result, typename Class, typename... Arguments>
    static void bind_method(const Method &method, Result (Class::*)(Arguments...))
    {
        assert(method.arguments == sizeof...(Arguments));
        methods.insert(method.name);
    }
    template <typename Result, typename Class, typename... Arguments>
    static void bind_method(const Method &method, Result (Class::*)(Arguments...) const)
    {
        assert(method.arguments == sizeof...(Arguments));
        methods.insert(method.name);
    }
};

// Makes the class's methods known, as registering does.
#define GDCLASS(name, base)                                                                        \
public:                                                                                            \
    static void bind() { name::_bind_methods(); }                                                  \
                                                                                                   \
private:
#define GDREGISTER_CLASS(name) name::bind()
#define GDE_EXPORT

enum ModuleInitializationLevel { MODULE_INITIALIZATION_LEVEL_SERVERS, MODULE_INITIALIZATION_LEVEL_SCENE };

} // namespace godot

using GDExtensionBool = uint8_t;
using GDExtensionInterfaceGetProcAddress = void *;
using GDExtensionClassLibraryPtr = void *;
struct GDExtensionInitialization {};

namespace godot {

class GDExtensionBinding {
public:
    class InitObject {
        void (*initializer)(ModuleInitializationLevel) = nullptr;
        ModuleInitializationLevel minimum = MODULE_INITIALIZATION_LEVEL_SERVERS;

    public:
        InitObject(void *, void *, GDExtensionInitialization *) {}
        void register_initializer(void (*function)(ModuleInitializationLevel)) { initializer = function; }
        void register_terminator(void (*)(ModuleInitializationLevel)) {}
        void set_minimum_library_initialization_level(ModuleInitializationLevel level) { minimum = level; }
        GDExtensionBool init() const
        {
            initializer(minimum);
            return 1;
        }
    };
};

} // namespace godot
