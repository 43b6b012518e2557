// A JSON parser for the subset of JSON in network files.
//
// Numbers are independent of the locale; "nan", "inf" and "-inf" are numbers.
#pragma once

#include <charconv>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bunchtrain {

// One value: a number, a string, true or false, a list, or an object.
class Json {
 public:
  // Returns the value in a text; throws std::runtime_error with the position of an error.
  static Json parse(const std::string& text) {
    Reader reader{text.data(), text.data(), text.data() + text.size()};
    Json value = reader.value(0);
    reader.blanks();
    if (reader.at != reader.end) reader.fail("more after the end");
    return value;
  }

  bool has(const std::string& key) const { return find(key) != nullptr; }

  const Json& operator[](const std::string& key) const {
    const Json* found = find(key);
    if (!found) throw std::runtime_error("the network lacks the key '" + key + "'");
    return *found;
  }

  const std::vector<Json>& list() const {
    if (kind_ != Kind::list) throw std::runtime_error("the network has something else than a list");
    return items_;
  }

  const std::vector<std::string>& keys() const { return keys_; }

  double number() const {
    if (kind_ == Kind::number) return number_;
    if (text_ == "nan") return std::numeric_limits<double>::quiet_NaN();
    if (text_ == "inf") return std::numeric_limits<double>::infinity();
    if (text_ == "-inf") return -std::numeric_limits<double>::infinity();
    throw std::runtime_error("the network has '" + text_ + "' where a number should be");
  }

  std::size_t size() const {
    const double value = number();
    if (!(value >= 0 && value < 1e9)) throw std::runtime_error("the network has an impossible size");
    return static_cast<std::size_t>(value);
  }

  bool truth() const { return kind_ == Kind::number ? number_ != 0 : text_ == "true"; }

  const std::string& text() const { return text_; }

  std::vector<float> numbers() const {
    std::vector<float> values;
    values.reserve(list().size());
    for (const Json& item : list()) values.push_back(static_cast<float>(item.number()));
    return values;
  }

  std::vector<std::string> texts() const {
    std::vector<std::string> values;
    for (const Json& item : list()) values.push_back(item.text());
    return values;
  }

 private:
  enum class Kind { word, number, list, object };

  struct Reader {
    const char *begin, *at, *end;

    [[noreturn]] void fail(const std::string& why) const {
      throw std::runtime_error("the network is no JSON: " + why + " at byte " +
                               std::to_string(at - begin));
    }

    void blanks() {
      while (at != end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) ++at;
    }

    bool take(char wanted) {
      blanks();
      if (at == end || *at != wanted) return false;
      ++at;
      return true;
    }

    Json value(int depth) {
      if (depth > 64) fail("too many levels");
      Json made;
      if (take('{')) {
        made.kind_ = Kind::object;
        members(made, depth, '}', true);
      } else if (take('[')) {
        made.kind_ = Kind::list;
        members(made, depth, ']', false);
      } else if (take('"')) {
        made.text_ = string();
      } else {
        scalar(made);
      }
      return made;
    }

    void members(Json& made, int depth, char close, bool named) {
      if (take(close)) return;
      do {
        if (named) {
          if (!take('"')) fail("no key");
          made.keys_.push_back(string());
          if (!take(':')) fail("no colon");
        }
        made.items_.push_back(value(depth + 1));
      } while (take(','));
      if (!take(close)) fail("no end of a list");
    }

    std::string string() {
      std::string text;
      while (at != end && *at != '"') {
        if (*at == '\\' && at + 1 != end) ++at;
        text.push_back(*at++);
      }
      if (at == end) fail("no end of a text");
      ++at;
      return text;
    }

    void scalar(Json& made) {
      const auto [rest, error] = std::from_chars(at, end, made.number_);
      if (error == std::errc()) {
        made.kind_ = Kind::number;
        at = rest;
        return;
      }
      for (const char* word : {"true", "false", "null"}) {
        const std::string text(word);
        if (static_cast<std::size_t>(end - at) >= text.size() && text.compare(0, text.size(), at, text.size()) == 0) {
          made.text_ = text;
          at += text.size();
          return;
        }
      }
      fail("no value");
    }
  };

  const Json* find(const std::string& key) const {
    for (std::size_t i = 0; i < keys_.size(); ++i)
      if (keys_[i] == key) return &items_[i];
    return nullptr;
  }

  Kind kind_ = Kind::word;
  double number_ = 0;
  std::string text_;
  std::vector<std::string> keys_;
  std::vector<Json> items_;
};

}  // namespace bunchtrain
