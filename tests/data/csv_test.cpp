// Tables: what is read, and what is refused where.

#include <weft/data/csv.h>

#include <gtest/gtest.h>
#include <zlib.h>

#include <clocale>
#include <cmath>

#include <weft/core/error.h>
#include <weft/data/loader.h>

#include "data/temporary_folder.h"

namespace weft::test {
namespace {

class Csv : public testing::Test {
 protected:
  CsvDataset read(std::string_view text, const CsvOptions& options = {}) {
    return CsvDataset(folder_.write("table.csv", text), options);
  }

  /// Expects an error of type E whose message holds all of `words`.
  template <class E>
  void refused(std::string_view text, const CsvOptions& options, ErrorCode code,
               std::initializer_list<const char*> words) {
    SCOPED_TRACE(std::string(text.substr(0, 80)));
    try {
      read(text, options);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const E& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      for (const char* word : words)
        EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << word << ": " << e.what();
      EXPECT_NE(std::string(e.what()).find("[CsvDataset]"), std::string::npos) << e.what();
    }
  }
  void bad(std::string_view text, std::initializer_list<const char*> words, ErrorCode code = ErrorCode::io_format) {
    refused<IoError>(text, {}, code, words);
  }

  TemporaryFolder folder_;
};

using Floats = std::vector<float>;
using Labels = std::vector<std::int64_t>;
using Names = std::vector<std::string>;

Floats inputs(const CsvDataset& data) { return data.inputs().to_vector<float>(); }
Labels labels(const CsvDataset& data) { return data.targets().to_vector<std::int64_t>(); }

TEST_F(Csv, TheLastColumnIsTheLabel) {
  const CsvDataset data = read("x,y,label\n1,2.5,0\n-3,4e2,1\n");
  EXPECT_EQ(data.size(), 2);
  EXPECT_EQ(data.inputs().shape(), (Shape{2, 2}));
  EXPECT_EQ(inputs(data), (Floats{1, 2.5, -3, 400}));
  EXPECT_EQ(data.targets().shape(), Shape{2});
  EXPECT_EQ(labels(data), (Labels{0, 1}));
  EXPECT_EQ(data.input_names(), (Names{"x", "y"}));
  EXPECT_EQ(data.target_names(), Names{"label"});
}

TEST_F(Csv, EveryFormOfTheSameTable) {
  for (const char* text : {"a,b\n1,2\n3,4\n", "a,b\n1,2\n3,4", "a,b\r\n1,2\r\n3,4\r\n", "a,b\r\n1,2\n3,4\r\n",
                           "\xEF\xBB\xBF"
                           "a,b\n1,2\n3,4\n",
                           "\"a\",\"b\"\n\"1\",2\n3,\"4\"\n", "\"a\",\"b\"\r\n\"1\",\"2\"\r\n3,\"4\""}) {
    SCOPED_TRACE(text);
    const CsvDataset data = read(text);
    EXPECT_EQ(inputs(data), (Floats{1, 3}));
    EXPECT_EQ(labels(data), (Labels{2, 4}));
    EXPECT_EQ(data.input_names(), Names{"a"});
  }
}

TEST_F(Csv, ColumnsAreSelectedByName) {
  const CsvDataset data = read("id,y,x,z\n7,1,2,3\n8,4,5,6\n", {.inputs = {"x", "y"}, .targets = {"z"}});
  EXPECT_EQ(inputs(data), (Floats{2, 1, 5, 4}));  // in the order asked for
  EXPECT_EQ(labels(data), (Labels{3, 6}));
  const CsvDataset rest = read("id,y,x\n7,1,2\n", {.targets = {"id"}});
  EXPECT_EQ(rest.input_names(), (Names{"y", "x"}));
  // A column nobody asks for may hold anything.
  const CsvDataset text = read("name,x,label\nAda,1,0\n\"Bell, Jo\",2,1\n", {.inputs = {"x"}});
  EXPECT_EQ(inputs(text), (Floats{1, 2}));
}

TEST_F(Csv, WithoutAHeaderColumnsAreNumbered) {
  const CsvDataset data = read("1;2;3\n4;5;6\n", {.delimiter = ';', .header = false, .targets = {"0"}});
  EXPECT_EQ(inputs(data), (Floats{2, 3, 5, 6}));
  EXPECT_EQ(labels(data), (Labels{1, 4}));
  EXPECT_EQ(data.input_names(), (Names{"1", "2"}));
}

TEST_F(Csv, QuotesHoldDelimitersLineEndsAndQuotes) {
  const CsvDataset data = read("\"a,b\",\"c\"\"d\",\"e\nf\"\n1,\"2\",3\n", {.targets = {"c\"d"}});
  EXPECT_EQ(data.input_names(), (Names{"a,b", "e\nf"}));
  EXPECT_EQ(labels(data), Labels{2});
  // Lines are the file's, not the records': the header takes two.
  bad("\"a\nb\",c\n1,x\n", {"line 3, column 2", "\"x\""});
}

TEST_F(Csv, ClassesByName) {
  const CsvOptions options = {.classes = {"cat", "dog"}};
  EXPECT_EQ(labels(read("x,y\n1,dog\n2,cat\n3,\"dog\"\n", options)), (Labels{1, 0, 1}));
  refused<IoError>("x,y\n1,cat\n2,cow\n", options, ErrorCode::io_format, {"line 3, column 2", "\"cow\"", "2 classes"});
}

TEST_F(Csv, DTypesAndSeveralTargets) {
  const CsvDataset both =
      read("a,b,c\n0.1,2,3\n", {.targets = {"b", "c"}, .input_dtype = DType::float64, .target_dtype = DType::float32});
  EXPECT_EQ(both.inputs().to_vector<double>(), std::vector<double>{0.1});
  EXPECT_EQ(both.targets().shape(), (Shape{1, 2}));
  EXPECT_EQ(both.targets().dtype(), DType::float32);
  EXPECT_EQ(read("a,b\n1,2.5\n", {.target_dtype = DType::float64}).targets().shape(), (Shape{1, 1}));
  EXPECT_EQ(read("a,b,c\n1,2,3\n", {.targets = {"b", "c"}}).targets().shape(), (Shape{1, 2}));
  // Rounded once, from the text to float32: by way of float64 this one would be rounded twice.
  const CsvDataset tie = read("a,b\n1.000000059604644775390626,0\n");
  EXPECT_EQ(inputs(tie)[0], std::nextafter(1.0F, 2.0F));
}

TEST_F(Csv, NumbersDoNotDependOnTheLocale) {
  const char* before = std::setlocale(LC_ALL, nullptr);
  const std::string old = before == nullptr ? "C" : before;
  const bool german = std::setlocale(LC_ALL, "de_DE.UTF-8") != nullptr;
  const Floats values = inputs(read("x,y\n1.5,0\n"));
  std::setlocale(LC_ALL, old.c_str());
  EXPECT_EQ(values, Floats{1.5});
  if (!german) GTEST_SKIP() << "no German locale here: read under the one there is";
}

TEST_F(Csv, PackedFiles) {
  const std::string path = folder_.file("table.csv.gz");
  const std::string text = "x,y\n1,2\n3,4\n";
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  EXPECT_EQ(inputs(CsvDataset(path)), (Floats{1, 3}));
  const std::string packed = read_whole(path);
  EXPECT_THROW(CsvDataset(folder_.write("cut.gz", packed.substr(0, packed.size() - 3))), IoError);
  std::string wrong = packed;
  wrong[wrong.size() - 6] = static_cast<char>(wrong[wrong.size() - 6] ^ 1);
  EXPECT_THROW(CsvDataset(folder_.write("wrong.gz", wrong)), IoError);
}

TEST_F(Csv, ManyRowsAcrossTheReadersBuffer) {
  std::string text = "x,\"y\"\n";
  Floats expected;
  for (int i = 0; i < 40000; ++i) {
    text += std::to_string(i) +
            (i % 3 == 0 ? ",\"" + std::to_string(i % 10) + "\"\r\n" : "," + std::to_string(i % 10) + "\n");
    expected.push_back(static_cast<float>(i));
  }
  const CsvDataset data = read(text);
  EXPECT_EQ(inputs(data), expected);
  EXPECT_EQ(labels(data)[39999], 9);
}

TEST_F(Csv, GoesThroughTheLoader) {
  const CsvDataset data = read("x,y\n1,2\n3,4\n5,6\n");
  for (const int workers : {0, 1, 2, 4}) {
    DataLoader loader(data, {.batch_size = 2, .workers = workers});
    EXPECT_EQ(loader.next()->inputs.to_vector<float>(), (Floats{1, 3}));
    EXPECT_EQ(loader.next()->targets.to_vector<std::int64_t>(), Labels{6});
  }
}

// ---- refused

TEST_F(Csv, RaggedRecords) {
  bad("a,b\n1,2\n3\n", {"table.csv: line 3", "1 fields", "has 2"});
  bad("a,b\n1,2,3\n", {"line 2", "3 fields"});
  bad("a,b\n1,2\n\n3,4\n", {"line 3", "empty line"});
  bad("a,b\n1,2\n\n", {"line 3", "empty line"});
  bad("a,b\n1,2,\n", {"line 2", "3 fields"});
}

TEST_F(Csv, Numbers) {
  bad("a,b\n1,2\nx,4\n", {"line 3, column 1 (byte 8)", "\"x\" is no number"});
  bad("a,b\n,4\n", {"line 2, column 1", "is empty"});
  bad("a,b\n1 ,4\n", {"\"1 \""});
  bad("a,b\n 1,4\n", {"\" 1\""});
  bad("a,b\n+1,4\n", {"\"+1\""});
  bad("a,b\n0x10,4\n", {"\"0x10\""});
  bad("a,b\n\"1,5\",4\n", {"\"1,5\""});
  bad("a,b\n1e99,4\n", {"out of the range of float32"});
  bad("a,b\n1,4.0\n", {"line 2, column 2", "no whole number"});
  bad("a,b\n1,99999999999999999999\n", {"out of the range of int64"});
  bad("a,b\nnan,4\n", {"\"nan\" is not finite"});
  bad("a,b\n-inf,4\n", {"not finite"});
  EXPECT_TRUE(std::isnan(inputs(read("a,b\nnan,4\n", {.allow_non_finite = true}))[0]));
}

TEST_F(Csv, Quotes) {
  bad("a,b\n\"1,2\n", {"line 2, column 1 (byte 4)", "never closed"}, ErrorCode::io_truncated);
  bad("a,b\n1\"2,3\n", {"line 2, column 1", "byte 5"});
  bad("a,b\n\"1\"2,3\n", {"line 2, column 1", "byte 7", "closing quote"});
  bad("a,b\n\"1\" ,3\n", {"closing quote"});
}

TEST_F(Csv, BytesThatDoNotBelong) {
  bad(std::string_view("a,b\n1,\0002\n", 9), {"line 2, column 2", "zero byte"});
  bad("a,b\r1,2\r", {"line 1, column 2", "byte 3", "carriage return"});
  bad("\xFF\xFE"
      "a\0",
      {"UTF-16"});
  bad("", {"is empty"});
  bad("\xEF\xBB\xBF", {"is empty"});
  bad("a,b\n", {"no row"});
  bad("a,a\n1,2\n", {"line 1, column 2", "\"a\" twice"});
}

TEST_F(Csv, Limits) {
  refused<IoError>("a,b,c\n1,2,3\n", {.max_columns = 2}, ErrorCode::io_format, {"line 1", "max_columns, 2"});
  refused<IoError>("a,b\n12345,2\n", {.max_field_bytes = 4}, ErrorCode::io_format,
                   {"line 2, column 1", "max_field_bytes, 4"});
  refused<IoError>("a,b\n1,2\n", {.max_bytes = 7}, ErrorCode::io_format, {"max_bytes, 7"});
  EXPECT_NO_THROW(read("a,b\n1,2\n", {.max_bytes = 8, .max_columns = 2, .max_field_bytes = 1}));
}

TEST_F(Csv, ColumnsThatAreNotThere) {
  const char* text = "x,y,label\n1,2,3\n";
  refused<ValueError>(text, {.inputs = {"x", "z"}}, ErrorCode::value_invalid,
                      {"inputs", "\"z\"", "\"x\", \"y\", \"label\""});
  refused<ValueError>(text, {.targets = {"lable"}}, ErrorCode::value_invalid, {"targets", "\"lable\""});
  refused<ValueError>(text, {.inputs = {"x", "x"}}, ErrorCode::value_invalid, {"twice"});
  refused<ValueError>("x\n1\n", {}, ErrorCode::value_invalid, {"no column is left"});
}

TEST_F(Csv, OptionsAndFiles) {
  for (const char bad_delimiter : {'"', '\n', '\r', '\0', '\xE4'}) {
    EXPECT_THROW(read("a,b\n1,2\n", {.delimiter = bad_delimiter}), ValueError);
  }
  EXPECT_THROW(read("a,b\n1,2\n", {.max_columns = 0}), ValueError);
  EXPECT_THROW(read("a,b\n1,2\n", {.input_dtype = DType::int64}), DTypeError);
  EXPECT_THROW(read("a,b\n1,2\n", {.target_dtype = DType::int32}), DTypeError);
  EXPECT_THROW(read("a,b\n1,2\n", {.target_dtype = DType::float32, .classes = {"2"}}), DTypeError);
  EXPECT_THROW(CsvDataset(folder_.file("missing.csv")), IoError);
  EXPECT_THROW(CsvDataset(folder_.path()), IoError);
}

}  // namespace
}  // namespace weft::test
