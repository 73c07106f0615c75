import { addWords } from '#/lib/words';
import privacy from '#/words/privacy.json';

addWords(privacy);
