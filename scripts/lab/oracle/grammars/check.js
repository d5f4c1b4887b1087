// Reads {name: sql} as JSON and prints {name: {grammar: null or an error}}.
"use strict";

const fs = require("fs");
const oceanbase = require("@oceanbase-odc/ob-parser-js/lib/assets/oracleSQL_ori");
const { CharStreams, CommonTokenStream, PlSQLGrammar, PlSqlLexer } = require("antlr4ts-sql");

const END = -1;
const STATEMENTS = ["merge_stmt", "insert_stmt"];

// Not the package's default export, which swallows errors. The grammar takes scripts
// and lone expressions as well.
function byOceanBase(sql) {
  const { result, error } = oceanbase.parse(sql);
  if (error) {
    const { text, loc } = error.hash;
    return `column ${loc ? loc.first_column : "?"}: unexpected ${text || "end"}`;
  }
  const [list] = result.children;
  const parts = list.children.map((part) => part.type).join(" ");
  if (list.type !== "stmt_list" || parts !== "stmt END_P") {
    return `it is not one statement but ${list.type}: ${parts}`;
  }
  const { type } = list.children[0].children[0];
  return STATEMENTS.includes(type) ? null : `it is ${type}`;
}

// From the rule of the one statement, as the rule for scripts takes commands of
// SQL*Plus as well. The grammar knows keywords in capitals.
function byAntlr(sql) {
  const errors = [];
  const listener = {
    syntaxError: (recognizer, symbol, line, column, message) =>
      errors.push(`column ${column}: ${message.slice(0, 80)}`),
  };
  const lexer = new PlSqlLexer(CharStreams.fromString(sql.toUpperCase()));
  lexer.removeErrorListeners();
  lexer.addErrorListener(listener);
  const tokens = new CommonTokenStream(lexer);
  const parser = new PlSQLGrammar.PlSqlParser(tokens);
  parser.removeErrorListeners();
  parser.addErrorListener(listener);
  if (/^merge\b/i.test(sql)) parser.merge_statement();
  else parser.insert_statement();
  const next = tokens.LT(1);
  if (!errors.length && next.type !== END) {
    return `column ${next.charPositionInLine}: ${next.text} behind the end`;
  }
  return errors.length ? errors[0] : null;
}

const answers = {};
for (const [name, sql] of Object.entries(JSON.parse(fs.readFileSync(0, "utf8")))) {
  answers[name] = { oceanbase: byOceanBase(sql), antlr: byAntlr(sql) };
}
console.log(JSON.stringify(answers));
