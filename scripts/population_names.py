"""The words that make_population.py makes people of: given names, surnames, towns, professions, practices, services.

Names, towns and codes (TRE_G15, TRE_R38) are facts of common knowledge; nobody is described. Every list goes
from the commonest to the rarest, because a name's rank decides how often it is drawn.
"""

FEMALE = """
Marie Nathalie Isabelle Sylvie Catherine Martine Christine Françoise Valérie Sandrine Stéphanie Véronique
Sophie Céline Chantal Patricia Anne Brigitte Julie Monique Aurélie Nicole Laurence Annie Émilie Dominique
Virginie Corinne Élodie Christelle Camille Caroline Léa Sarah Florence Laetitia Audrey Hélène Laura Mélanie
Claire Karine Pauline Cécile Sabrina Emma Manon Marine Jacqueline Michelle Chloé Agnès Morgane Mathilde
Delphine Lucie Charlotte Béatrice Élisabeth Amandine Muriel Fabienne Carole Jessica Évelyne Séverine Anaïs
Marion Danielle Joëlle Josiane Thérèse Geneviève Colette Odile Bernadette Christiane Magali Emmanuelle
Myriam Élise Justine Alice Juliette Ophélie Océane Estelle Fanny Gaëlle Coralie Aline Maud Sonia Nadia
Fatima Leïla Samira Karima Malika Yasmina Inès Jade Louise Zoé Clara Eva Margaux Lisa Noémie Solène Maëlle
Clémence Éléonore Victoire Apolline Capucine Agathe Ambre Lola Romane Rose Salomé Anna Alix Adèle Axelle
Blandine Bérénice Bérengère Bénédicte Barbara Armelle Arlette Andrée Angélique Angèle Annick Annabelle
Antoinette Astrid Aude Barbe Betty Blanche Brune Cassandre Cathy Célestine Claudine Claudie Clémentine
Clotilde Colombe Constance Cyrielle Danièle Daphné Denise Diane Dorothée Édith Édwige Éliane Elsa Émeline
Ève Éva Fabiola Fantine Félicie Fernande Flavie Flora Florine Frédérique Gabrielle Georgette Géraldine
Germaine Ghislaine Gilberte Gisèle Gwenaëlle Gwendoline Hortense Huguette Ingrid Irène Iris Jeanne Jeannine
Jennifer Joséphine Josette Judith Julia Juliane Katia Khadija Laure Laurène Laurie Léna Léonie Liliane Line
Lise Lorraine Louisa Lucette Lucienne Ludivine Lydie Lysiane Madeleine Maëva Magalie Maïlys Marceline
Marcelle Margot Marguerite Marianne Marielle Marilyne Marjorie Marlène Marthe Maryline Maryse Mauricette
Maya Mélissa Mélodie Micheline Mireille Mona Mylène Nadège Nadine Naïma Nelly Ninon Nina Nolwenn Noëlle
Norah Oriane Ornella Pascale Patrizia Paule Paulette Peggy Perrine Philippine Priscilla Rachel Raymonde
Rébecca Régine Reine Renée Roberte Rolande Rosalie Roseline Roxane Sabine Samantha Sandra Séléna Servane
Sidonie Simone Solange Soizic Stella Suzanne Suzie Sylviane Sylvette Tatiana Tessa Tiphaine Ursule Valentine
Vanessa Victoria Viviane Violette Wendy Yaël Yolande Yvette Yvonne Zélie Zohra Aïcha Amina Assia Djamila
Farida Fatiha Hafida Hanane Houria Latifa Mériem Nora Rachida Saïda Salima Souad Wafa Zahra Alexandra Alexia
Alison Andréa Célia Cindy Cynthia Déborah Doriane Élia Éloïse Enora Erika Faustine Gaïa Garance Gladys
Héloïse Honorine Ilona Inaya Isaure Jane Jasmine Joy Katell Kelly Kim Lana Lara Laly Lila Lina Linda Lou
Luna Lilou Ludmila Maïwenn Malo Marina Mathilda Maude Mégane Nawel Nour Olga Olivia Ombeline Paloma Pénélope
Prune Quitterie Rozenn Sixtine Soline Thaïs Tiffany Vinciane Xavière Ysaline Zita
"""

MALE = """
Jean Philippe Michel Alain Patrick Nicolas Christophe Pierre Christian Éric Frédéric Laurent Stéphane David
Pascal Daniel Alexandre Julien Thierry Olivier Bernard Thomas Sébastien Gérard Didier Dominique Vincent
François Bruno Guillaume Jérôme Jacques Marc Maxime Romain Claude Antoine Franck Jean-Pierre Anthony Kévin
Gilles Cédric Serge André Mathieu Benjamin Patrice Fabrice Joël Jérémy Clément Arnaud Denis Paul Lucas Hervé
Jean-Claude Sylvain Yves Ludovic Guy Florian Damien Alexis Mickaël Quentin Emmanuel Louis Benoît Jean-Luc
Fabien Francis Hugo Jonathan Loïc Xavier Théo Adrien Raphaël Jean-François Grégory Robert Michaël Valentin
Cyril Jean-Marc René Lionel Yannick Enzo Yann Jean-Michel Baptiste Matthieu Rémi Georges Aurélien Nathan
Jean-Paul Corentin Tristan Gaël Roger Dylan Samuel Rémy Mohamed Karim Ahmed Rachid Mehdi Yassine Saïd
Youssef Samir Nabil Farid Hakim Kamel Mourad Omar Abdelkader Ali Hassan Arthur Léo Gabriel Jules Adam Ethan
Noah Tom Timéo Mathis Axel Victor Martin Simon Gaspard Augustin Basile Côme Achille Adrian Aimé Albert Alban
Alfred Alphonse Amaury Ambroise Amédée Anatole Ange Anselme Anthime Archibald Armand Armel Aristide Arsène
Aubin Auguste Aurèle Aymeric Balthazar Barthélemy Bastien Bertrand Blaise Boris Brice Calixte Camille
Célestin César Charles Charlie Claudien Colin Constant Cyprien Cyriaque Damase Désiré Dimitri Donatien
Donovan Edgar Edmond Édouard Élie Éloi Émile Émilien Erwan Étienne Eugène Évariste Ewen Fabrizio Félicien
Félix Ferdinand Fernand Fidèle Firmin Flavien Florent Florentin François-Xavier Frank Gaëtan Gauthier
Gautier Geoffrey Geoffroy Germain Ghislain Gilbert Grégoire Guilhem Gustave Gwenaël Gwendal Hadrien Harold
Hector Henri Hippolyte Honoré Hubert Hyacinthe Ignace Ilan Isaac Isidore Ivan Jérémie Joachim Jocelyn Johan
Johann Jordan Joris José Joseph Josselin Jude Justin Kilian Lazare Léandre Léon Léonard Léopold Lilian
Lorenzo Loris Luc Lucien Ludwig Luis Maël Malik Malo Manuel Marcel Marceau Marin Marius Martial Mathias
Mathurin Maurice Maxence Maximilien Médard Melchior Melvin Modeste Moïse Morgan Narcisse Nestor Noé Noël
Norbert Octave Odilon Oscar Oswald Pacôme Papa Parfait Pascalin Patrik Paulin Perceval Philibert Placide
Raoul Raymond Régis Rémond Renaud Reynald Richard Robin Rodolphe Rodrigue Rolland Roland Romaric Romuald
Ronan Ruben Sacha Salomon Salvador Samson Sébastian Séraphin Séverin Siméon Stanislas Steve Sylvestre Tanguy
Théodore Théophile Thibaud Thibault Thibaut Timothée Titouan Tony Ulysse Urbain Valère Valéry Vianney
Victorien Virgile Vivien Vladimir Walter Wilfried William Yaël Yanis Yohan Yoann Yvan Yvon Zacharie Abdel
Adel Amine Anis Aziz Bilal Driss Fouad Hamza Hicham Idriss Ismaël Jamal Khaled Lotfi Mahmoud Moussa Mustapha
Nassim Nordine Reda Sofiane Tarek Walid Younes Zinedine Bao Duc Hoang Minh Quang Tuan Kwame Mamadou Ousmane
Sékou Souleymane Youssouf Alioune Cheikh Ibrahima Amadou Carlos Diego Fernando João Paulo Rui Sergio
Giuseppe Gino Luigi Marco Mario Roberto Andrzej Piotr Pawel Tomasz Dragan Goran Milan Zoran Klaus Jürgen
Günther Björn
"""

COMPOUND_STARTS = {"f": ("Marie", "Anne"), "m": ("Jean", "Pierre")}
COMPOUND_FEMALE = """
Christine Claude France Hélène Laure Line Louise Noëlle Odile Paule Pierre Reine Rose Sophie Thérèse Ange
Cécile Charlotte Catherine Dominique Élisabeth Françoise Josée Jeanne Madeleine Gabrielle Lise Astrid Agnès
Claire Caroline Estelle Flore Lucie Joëlle Neige
"""
COMPOUND_MALE = """
Philippe Louis Jacques Marie Yves Christophe Baptiste Charles Daniel Denis Félix Gabriel Guy Jérôme Loup
Noël Pascal Patrick Patrice René Robert Roch Sébastien Victor Antoine André Henri Alain Bernard Christian
Étienne Edouard Hugues Olivier Emmanuel Mathieu Alexandre François
"""

SURNAMES = """
Martin Bernard Thomas Petit Robert Richard Durand Dubois Moreau Laurent Simon Michel Lefebvre Leroy Roux
David Bertrand Morel Fournier Girard Bonnet Dupont Lambert Fontaine Rousseau Vincent Muller Lefèvre Faure
André Mercier Blanc Guérin Boyer Garnier Chevalier François Legrand Gauthier Garcia Perrin Robin Clément
Morin Nicolas Henry Roussel Mathieu Gautier Masson Marchand Duval Denis Dumont Marie Lemaire Noël Meyer
Dufour Meunier Brun Blanchard Giraud Joly Rivière Lucas Brunet Gaillard Barbier Arnaud Martinez Gérard Roche
Renard Schmitt Roy Leroux Colin Vidal Caron Picard Roger Fabre Aubert Lemoine Renaud Dumas Lacroix Olivier
Philippe Bourgeois Pierre Benoît Rey Leclerc Payet Rolland Leclercq Guillaume Lecomte Lopez Jean Dupuy
Guillot Hubert Berger Carpentier Sanchez Dupuis Moulin Louis Deschamps Huet Vasseur Perez Boucher Fleury
Royer Klein Jacquet Adam Paris Poirier Marty Aubry Guyot Carré Charles Renault Charpentier Ménard Maillard
Baron Bertin Bailly Hervé Schneider Fernandez Colas Lacombe Barre Langlois Cousin Humbert Breton Rémy
Poulain Lebrun Tessier Germain Bouvier Prévost Perrot Pascal Gilbert Étienne Weber Jacob Gros Lévêque
Michaud Millet Leblanc Bouchet Besson Rodriguez Chauvin Boulanger Delaunay Camus Daniel Lemaitre Antoine
Hoarau Tanguy Hamon Collet Mallet Coulon Cordier Marion Marin Lesage Dupré Chauvet Marechal Georges Guichard
Pons Cohen Pasquier Launay Buisson Chartier Mahé Leduc Gomez Vallée Rocher Monnier Auger Voisin Delmas
Besnard Verdier Blanchet Albert Jourdan Hardy Didier Valentin Bodin Briand Delorme Buret Ferrand Barthélemy
Ferreira Rossi Bigot Perret Maillet Pineau Riou Tournier Lejeune Hebert Lopes Texier Le_Gall Le_Goff Le_Roux
Le_Corre Le_Bihan Le_Guen Le_Berre Le_Meur Le_Floch Le_Borgne Le_Saux Le_Dantec Le_Bris Le_Pape Le_Bras
Leveque Guillou Cariou Kerleau Kervella Kerneis Quéré Salaun Jaouen Guéguen Abgrall Cadiou Morvan Hascoët
Cloarec Gourvennec Penven Madec Pichon Prigent Bihan Floch Autret Schmidt Schwartz Zimmermann Hoffmann
Fischer Wagner Becker Keller Huber Kieffer Koenig Lang Wolff Roth Sutter Burger Fuchs Haas Heitz Hirsch Jung
Kern Kuntz Lutz Mayer Metzger Oberlé Ritter Schaeffer Schuster Vogel Walter Benali Bouzid Haddad Khelifi
Mansouri Slimani Toumi Zerrouki Belkacem Cherif Hamidi Kaci Rahmani Saïdi Traoré Diallo Diop Ndiaye Koné
Coulibaly Cissé Camara Touré Keïta Nguyen Tran Pham Huynh Phan Vo Dang Bui Ngo Duong Chen Wang Li Lim
Da_Silva Pereira Dos_Santos Rodrigues Oliveira Gonçalves Ribeiro Fernandes Carvalho Teixeira Moreira Correia
Mendes Nunes Almeida Marques Vieira Monteiro Cardoso Ramos Ferrari Esposito Bianchi Romano Colombo Ricci
Bruno Kowalski Nowak Wisniewski Lewandowski Kaczmarek Mazur Novak Petrovic Popovic Jovanovic Ruiz Torres
Diaz Moreno Gimenez Sauvage Chevallier Combes Guibert Bazin Raynaud Delattre Vaillant Lefort Lelièvre
Bousquet Levy Ollivier Toussaint Parent Rousset Pruvost Poulet Gaudin Lebreton Hamel Drouet Costa Alexandre
Reynaud Cartier Blondel Delahaye Peltier Pottier Bourdon Bouvet Bonneau Sabatier Mary Techer Grondin Hoareau
Boivin Bernier Guillet Loiseau Turpin Descamps Vanhoutte Verhaeghe Vandamme Dhondt Desmet Delcourt Delannoy
Delvaux Dhaene Dubrulle Flament Hennebelle Lecocq Leleu Lepers Loridan Marquant Masurel Motte Parmentier
Prouvost Queva Rogeau Soyez Thuillier Wattel
"""

# Pieces of the built surnames: start + middle + end, as French surnames sound.
STARTS = """
a al an ar au aub ba bal bar bas bau be beau bel ber bes bi blan bo bon bor bou bour bra bre bri bru ca cas
cau cha cham char chau che cho cla clé co col com cor cou cour cre cro da dan dau de del des do dou dra dro
du ébr écu em en es fa far fau fer feu fi fla fleu fo fon for fou fra fro ga gal gar gau ge ger gi glo go
gou gra gri gro gue gui ha hau her ho hou hu ja jau jo jou ju la lam lan lar lau le les lo lou lu ma mal man
mar mas mau mé mer mi mo mon mor mou na nau ni no nou or pa pal pan par pas pe pel per pi pla plan po pon
por pou pra pré pu qué quin ra rai ram ré ri ro roc ron rou ru sa sal san sau sé ser si so sou su ta tar tau
té ter thi tho ti to tou tra tri tro va val van vau ver vi vin vo
"""
MIDDLES = """
b bi bl br c ch cl d dr f fl g gn gr l ll li m mi mm n nn ni p pp r rr ri rn rt s ss st t tt ti tr v vi vr z
"""
ENDINGS = """
ard aud ault eau el elle et ette ier ière in ine on ot otte oux and ent ois oise ac ec aux as at al an ain
aine ais anger ant é ès euil eul eur euse eux iau ie ieux igny illac ille illon illot iot ion iron is iste
it oche oin olle ompe onnet onnier or ouin ouet ouillet our ourt oulin uel uet uis ulle ur urel us ut
"""

PARTICLES = ("de ", "de la ", "d'", "du ", "des ")

# (code TRE_G15 or its neighbours, label, weight, where they work: c practice, h hospital, p pharmacy)
PROFESSIONS = (
    ("10", "Médecin", 320, "ch"),
    ("60", "Infirmier", 270, "ch"),
    ("70", "Masseur-Kinésithérapeute", 110, "c"),
    ("21", "Pharmacien", 90, "ph"),
    ("40", "Chirurgien-Dentiste", 65, "c"),
    ("50", "Sage-Femme", 35, "ch"),
    ("91", "Orthophoniste", 30, "c"),
    ("80", "Pédicure-Podologue", 18, "c"),
    ("98", "Manipulateur ERM", 12, "h"),
    ("28", "Opticien-Lunetier", 8, "c"),
    ("96", "Psychomotricien", 7, "ch"),
    ("94", "Ergothérapeute", 7, "h"),
    ("95", "Diététicien", 6, "ch"),
    ("86", "Technicien de laboratoire médical", 6, "h"),
    ("92", "Orthoptiste", 4, "c"),
    ("26", "Audioprothésiste", 4, "c"),
    ("93", "Psychologue", 3, "ch"),
    ("71", "Ostéopathe", 2, "c"),
    ("41", "Assistant de service social", 2, "h"),
    ("81", "Orthoprothésiste", 1, "c"),
)
# Savoir-faire codes (TRE_R38) of doctors, the commonest first; the others have none here.
SPECIALTIES = """
SM54 SM53 SM26 SM04 SM42 SM45 SM02 SM20 SM38 SM40 SM15 SM24 SM05 SM32 SM49 SM39 SM41 SM18 SM35 SM47
"""

# What they are called. The words are real ones; that each goes with its code is not vouched for.
SPECIALTY_TITLES = {
    "SM54": "Médecine générale",
    "SM53": "Spécialiste en médecine générale",
    "SM26": "Qualifié en médecine générale",
    "SM04": "Cardiologie et maladies vasculaires",
    "SM42": "Psychiatrie",
    "SM45": "Radio-diagnostic",
    "SM02": "Anesthésie-réanimation",
    "SM20": "Gynécologie-obstétrique",
    "SM38": "Ophtalmologie",
    "SM40": "Pédiatrie",
    "SM15": "Dermatologie et vénéréologie",
    "SM24": "Gastro-entérologie et hépatologie",
    "SM05": "Chirurgie générale",
    "SM32": "Néphrologie",
    "SM49": "Stomatologie",
    "SM39": "Oto-rhino-laryngologie",
    "SM41": "Pneumologie",
    "SM18": "Endocrinologie et métabolisme",
    "SM35": "Oncologie",
    "SM47": "Rhumatologie",
}
# Domains that one operator keeps for a profession, wherever its people practise.
PROFESSION_DOMAINS = {
    "10": "medecin",
    "21": "pharmacien",
    "40": "chirurgien-dentiste",
    "50": "sage-femme",
    "60": "infirmier",
    "70": "masseur-kinesitherapeute",
    "80": "pedicure-podologue",
    "91": "orthophoniste",
}
SERVICES = """
SECRÉTARIAT_MÉDICAL URGENCES CARDIOLOGIE RADIOLOGIE MATERNITÉ PÉDIATRIE GÉRIATRIE RÉSULTATS ACCUEIL ADMISSIONS
CHIRURGIE_VISCÉRALE ORTHOPÉDIE ANESTHÉSIE RÉANIMATION NEUROLOGIE ONCOLOGIE PNEUMOLOGIE NÉPHROLOGIE DIALYSE
RHUMATOLOGIE DERMATOLOGIE GASTRO-ENTÉROLOGIE ENDOCRINOLOGIE PSYCHIATRIE_ADULTE PÉDOPSYCHIATRIE CMP SSR HAD EHPAD
PHARMACIE STÉRILISATION LABORATOIRE ANATOMOPATHOLOGIE BLOC_OPÉRATOIRE CONSULTATIONS_EXTERNES HÔPITAL_DE_JOUR
SOINS_PALLIATIFS ÉQUIPE_MOBILE TÉLÉSANTÉ ARCHIVES
"""
# What the domains of establishments begin with, the commonest first.
ESTABLISHMENTS = "labo ch clinique msp ehpad cabinet ssr had chu imagerie cmp dialyse"

# What a practice is called; {town} and {name} are filled in.
PRACTICES = (
    "CABINET MÉDICAL {name}",
    "CABINET {name}",
    "MAISON DE SANTÉ {name}",
    "CENTRE MÉDICAL {name}",
    "SELARL {name}",
    "PÔLE DE SANTÉ {name}",
)
HOSPITALS = (
    "CENTRE HOSPITALIER DE {town}",
    "CLINIQUE {name}",
    "POLYCLINIQUE {name}",
    "HÔPITAL {name}",
    "CHU DE {town}",
    "LABORATOIRE {name}",
)
PHARMACIES = ("PHARMACIE {name}", "GRANDE PHARMACIE DE {town}", "PHARMACIE DU CENTRE {town}")
PLACES = """
SAINT-JEAN SAINT-LOUIS SAINTE-ANNE SAINT-PIERRE DES_TILLEULS DU_PARC DE_LA_GARE DES_REMPARTS DU_MARCHÉ
DE_L'ÉGLISE DES_ÉCOLES DU_CHÂTEAU DE_LA_MAIRIE BEL-AIR LES_ACACIAS DES_LILAS DU_MOULIN DES_PEUPLIERS
DE_LA_FORÊT DU_LAC DES_PRÉS VICTOR_HUGO JEAN_MOULIN PASTEUR AMBROISE_PARÉ CLAUDE_BERNARD LAENNEC
PIERRE_CURIE JULES_FERRY DES_ORMES DU_VIEUX_PONT SAINT-MICHEL SAINT-JOSEPH NOTRE-DAME SAINT-ROCH
SAINTE-MARIE DU_LITTORAL DES_COLLINES DE_LA_PLAINE DU_BOCAGE
"""
STREETS = """
RUE_DE_LA_RÉPUBLIQUE RUE_VICTOR_HUGO RUE_DU_MARÉCHAL_FOCH AVENUE_JEAN_JAURÈS BOULEVARD_PASTEUR
PLACE_DE_L'ÉGLISE RUE_DES_ÉCOLES RUE_NATIONALE GRANDE_RUE RUE_DU_MOULIN AVENUE_DE_LA_GARE RUE_DES_LILAS
CHEMIN_DES_VIGNES RUE_GAMBETTA ALLÉE_DES_TILLEULS ROUTE_DE_PARIS RUE_SAINT-MARTIN QUAI_DU_PORT
IMPASSE_DES_ROSIERS RUE_PIERRE_CURIE
"""

TOWNS = """
75001 PARIS|13001 MARSEILLE|69001 LYON|31000 TOULOUSE|06000 NICE|44000 NANTES|34000 MONTPELLIER
67000 STRASBOURG|33000 BORDEAUX|59000 LILLE|35000 RENNES|51100 REIMS|42000 SAINT-ETIENNE|76600 LE HAVRE
83000 TOULON|38000 GRENOBLE|21000 DIJON|49000 ANGERS|30000 NIMES|69100 VILLEURBANNE|63000 CLERMONT-FERRAND
97400 SAINT-DENIS|72000 LE MANS|13090 AIX-EN-PROVENCE|29200 BREST|37000 TOURS|80000 AMIENS|87000 LIMOGES
74000 ANNECY|66000 PERPIGNAN|57000 METZ|25000 BESANCON|45000 ORLEANS|76000 ROUEN|68100 MULHOUSE|14000 CAEN
54000 NANCY|95100 ARGENTEUIL|93200 SAINT-DENIS|93100 MONTREUIL|59100 ROUBAIX|59140 DUNKERQUE|59200 TOURCOING
84000 AVIGNON|92000 NANTERRE|86000 POITIERS|94000 CRETEIL|78000 VERSAILLES|92400 COURBEVOIE
94400 VITRY-SUR-SEINE|92700 COLOMBES|64000 PAU|93300 AUBERVILLIERS|92600 ASNIERES-SUR-SEINE
93600 AULNAY-SOUS-BOIS|92500 RUEIL-MALMAISON|17000 LA ROCHELLE|06160 ANTIBES|94100 SAINT-MAUR-DES-FOSSES
62100 CALAIS|34500 BEZIERS|68000 COLMAR|94500 CHAMPIGNY-SUR-MARNE|18000 BOURGES|06400 CANNES|33700 MERIGNAC
20000 AJACCIO|44600 SAINT-NAZAIRE|92130 ISSY-LES-MOULINEAUX|59650 VILLENEUVE-D'ASCQ|29000 QUIMPER
26000 VALENCE|92300 LEVALLOIS-PERRET|93160 NOISY-LE-GRAND|10000 TROYES|92160 ANTONY|93230 ROMAINVILLE
79000 NIORT|95200 SARCELLES|56100 LORIENT|02100 SAINT-QUENTIN|60000 BEAUVAIS|49300 CHOLET|73000 CHAMBERY
83400 HYERES|56000 VANNES|85000 LA ROCHE-SUR-YON|53000 LAVAL|13200 ARLES|11000 CARCASSONNE|11100 NARBONNE
81000 ALBI|82000 MONTAUBAN|90000 BELFORT|27000 EVREUX|19100 BRIVE-LA-GAILLARDE|22000 SAINT-BRIEUC
51000 CHALONS-EN-CHAMPAGNE|50100 CHERBOURG|64100 BAYONNE|08000 CHARLEVILLE-MEZIERES|65000 TARBES|41000 BLOIS
71100 CHALON-SUR-SAONE|35400 SAINT-MALO|88000 EPINAL|36000 CHATEAUROUX|47000 AGEN|62000 ARRAS
59300 VALENCIENNES|59500 DOUAI|62200 BOULOGNE-SUR-MER|62300 LENS|62400 BETHUNE|59400 CAMBRAI|59600 MAUBEUGE
59190 HAZEBROUCK|59240 DUNKERQUE|62500 SAINT-OMER|59800 LILLE|59000 LILLE|62110 HENIN-BEAUMONT
80100 ABBEVILLE|02000 LAON|02200 SOISSONS|60200 COMPIEGNE|60100 CREIL|77000 MELUN|77100 MEAUX
77300 FONTAINEBLEAU|78300 POISSY|78100 SAINT-GERMAIN-EN-LAYE|91000 EVRY|91100 CORBEIL-ESSONNES|91300 MASSY
95000 CERGY|95300 PONTOISE|28000 CHARTRES|28100 DREUX|45200 MONTARGIS|61000 ALENCON|61100 FLERS
50000 SAINT-LO|50300 AVRANCHES|14100 LISIEUX|14400 BAYEUX|76200 DIEPPE|76400 FECAMP|27200 VERNON|22100 DINAN
22300 LANNION|29600 MORLAIX|29900 CONCARNEAU|56300 PONTIVY|35300 FOUGERES|35500 VITRE|35600 REDON
53100 MAYENNE|72200 LA FLECHE|49400 SAUMUR|44110 CHATEAUBRIANT|85100 LES SABLES-D'OLONNE
85200 FONTENAY-LE-COMTE|79300 BRESSUIRE|79200 PARTHENAY|86100 CHATELLERAULT|16000 ANGOULEME|16100 COGNAC
17100 SAINTES|17200 ROYAN|17300 ROCHEFORT|24000 PERIGUEUX|24100 BERGERAC|24200 SARLAT-LA-CANEDA
33120 ARCACHON|33500 LIBOURNE|40000 MONT-DE-MARSAN|40100 DAX|64200 BIARRITZ|32000 AUCH|31800 SAINT-GAUDENS
09000 FOIX|09100 PAMIERS|81100 CASTRES|12000 RODEZ|12100 MILLAU|46000 CAHORS|46100 FIGEAC|15000 AURILLAC
19000 TULLE|23000 GUERET|36100 ISSOUDUN|18100 VIERZON|58000 NEVERS|89000 AUXERRE|89100 SENS|21200 BEAUNE
71000 MACON|71200 LE CREUSOT|39000 LONS-LE-SAUNIER|39100 DOLE|25200 MONTBELIARD|25300 PONTARLIER
70000 VESOUL|52000 CHAUMONT|52100 SAINT-DIZIER|55000 BAR-LE-DUC|55100 VERDUN|54300 LUNEVILLE|54400 LONGWY
57100 THIONVILLE|57200 SARREGUEMINES|57600 FORBACH|67500 HAGUENAU|67600 SELESTAT|67700 SAVERNE
68300 SAINT-LOUIS|88100 SAINT-DIE-DES-VOSGES|01000 BOURG-EN-BRESSE|01100 OYONNAX|03000 MOULINS
03100 MONTLUCON|03200 VICHY|43000 LE PUY-EN-VELAY|42100 SAINT-ETIENNE|42300 ROANNE
69400 VILLEFRANCHE-SUR-SAONE|38200 VIENNE|38300 BOURGOIN-JALLIEU|38500 VOIRON|73100 AIX-LES-BAINS
73200 ALBERTVILLE|74100 ANNEMASSE|74200 THONON-LES-BAINS|74300 CLUSES|07000 PRIVAS|07100 ANNONAY
07200 AUBENAS|26100 ROMANS-SUR-ISERE|26200 MONTELIMAR|05000 GAP|05100 BRIANCON|04000 DIGNE-LES-BAINS
04100 MANOSQUE|84100 ORANGE|84200 CARPENTRAS|84300 CAVAILLON|13100 AIX-EN-PROVENCE|13300 SALON-DE-PROVENCE
13400 AUBAGNE|13500 MARTIGUES|83300 DRAGUIGNAN|83600 FREJUS|83700 SAINT-RAPHAEL|06130 GRASSE|06500 MENTON
06600 ANTIBES|30100 ALES|30200 BAGNOLS-SUR-CEZE|34200 SETE|34300 AGDE|34400 LUNEL|48000 MENDE
66100 PERPIGNAN|20200 BASTIA|20137 PORTO-VECCHIO|97100 BASSE-TERRE|97110 POINTE-A-PITRE|97200 FORT-DE-FRANCE
97300 CAYENNE|97410 SAINT-PIERRE|97420 LE PORT|97600 MAMOUDZOU
"""
