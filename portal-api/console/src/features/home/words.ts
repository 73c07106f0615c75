import { addWords } from '#/lib/words';
import home from '#/words/home.json';

addWords(home);
