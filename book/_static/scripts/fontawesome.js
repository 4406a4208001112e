// In place of the theme's file of this name, 1.5 MB: the icons come from its web font, without a script.
