#!/usr/bin/awk -f
# Makes a header readable for Doxygen without changing how it reads: the comment below "#pragma once" becomes the page's
# introduction. Lines keep their numbers.
BEGIN { place = "before" }
place == "before" && /^#pragma once/ { place = "introduction"; print "/// @file"; next }
place == "introduction" && /^\/\// {
  if (!/^\/\/    /) gsub(/[<#]/, "\\\\&")  # indented lines are code
  sub(/^\/\//, "///")
  print
  next
}
place == "introduction" { place = "after" }
{ print }
